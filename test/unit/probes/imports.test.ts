import { expect, test } from 'vitest';
import { explainImports, type ImportFacts } from '../../../agent/probes/imports.ts';
import { explainPackages, type PackageFacts } from '../../../agent/probes/packages.ts';

const APP = '/nowhere/app';
const ENTRY = `${APP}/score.py`;
const needed = { file: ENTRY, line: 3, need: 'load' as const, origin: null, missing: null, near: [] };
const facts: ImportFacts = {
  modules: [
    { ...needed, module: 'json', kind: 'python' },
    { ...needed, module: 'numpy', kind: 'package' },
    { ...needed, module: 'azureml.contrib.services.aml_request', kind: 'provided' },
  ],
  files: [ENTRY],
  relative: [],
  touchesPath: false,
  searched: [APP, '/usr/lib/python3.11'],
  shadowed: [],
  failed: [],
  untried: [],
};
const worker = { interpreter: '/usr/bin/python3', env: {}, cwd: APP, entryScript: ENTRY };
const steps = (changed: Partial<ImportFacts>) => explainImports({ ...facts, ...changed }, worker, APP);
const failed = (changed: Partial<ImportFacts>) => steps(changed).filter(({ ok }) => !ok);
const text = (part: string) => expect.stringContaining(part) as string;
const lost = { ...needed, module: 'clean', kind: 'missing' as const, missing: 'clean' };

test('what is found, and what only the server has, is well', () => {
  expect(failed({})).toEqual([]);
  expect(steps({}).find(({ name }) => name === 'of the server')?.detail).toContain(
    'azureml.contrib.services.aml_request',
  );
});

test('a missing package is told with file, line, what was searched, and the command', () => {
  const modules = [{ ...lost, module: 'sklearn.svm', missing: 'sklearn' }];
  expect(failed({ modules })).toMatchObject([
    { name: 'sklearn.svm', detail: text(`${ENTRY}:3`), hint: text('-m pip install scikit-learn') },
  ]);
});

test('a module of the user’s in another folder is told with that folder', () => {
  const modules = [{ ...lost, near: [`${APP}/helpers/clean.py`] }];
  expect(failed({ modules })).toMatchObject([
    { name: 'clean', hint: text(`${APP}/helpers is not on the import path`) },
  ]);
});

test('what may never be imported, or is found by a path that the code makes, is no fault', () => {
  expect(failed({ modules: [{ ...lost, need: 'maybe' }] })).toEqual([]);
  expect(failed({ modules: [lost], touchesPath: true })).toEqual([]);
});

test('an import that fails is explained', () => {
  const message =
    'numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject';
  expect(failed({ failed: [{ module: 'numpy', type: 'ValueError', message }] })).toMatchObject([
    { name: 'numpy', detail: text('numpy.dtype size changed'), hint: text('numpy') },
  ]);
});

test('a relative import, and a file that a module of the server hides', () => {
  expect(failed({ relative: [{ file: ENTRY, line: 1, need: 'load' }] })).toMatchObject([{ name: 'relative import' }]);
  const shadow = { module: 'utils', own: `${APP}/utils.py`, taken: '/site/utils.py' };
  expect(failed({ shadowed: [{ ...shadow, isServers: true }] })).toMatchObject([{ name: 'same name' }]);
  expect(failed({ shadowed: [{ ...shadow, isServers: false }] })).toEqual([]);
});

const packages: PackageFacts = {
  files: [`${APP}/requirements.txt`],
  compared: true,
  count: 2,
  wrong: [],
  unread: [],
  contradictions: [],
};
const wrongPackages = (changed: Partial<PackageFacts>) =>
  explainPackages({ ...packages, ...changed }, worker).filter(({ ok }) => !ok);

test('requirements that fit, none at all, and a Python without a parser are well', () => {
  for (const changed of [{}, { files: [], count: 0 }, { compared: false }]) expect(wrongPackages(changed)).toEqual([]);
});

test('a wrong version, a missing package, and two that contradict each other', () => {
  const line = { file: `${APP}/requirements.txt`, line: 2, wanted: 'numpy<2', name: 'numpy' };
  expect(
    wrongPackages({
      wrong: [
        { ...line, version: '2.1.0' },
        { ...line, version: null },
      ],
      contradictions: [
        { package: 'flask', packageVersion: '1.0', wanted: 'werkzeug<1', name: 'werkzeug', version: '3.0.1' },
      ],
    }),
  ).toMatchObject([
    { name: 'numpy', detail: text('wants numpy<2, and numpy 2.1.0 is installed'), hint: text("pip install 'numpy<2'") },
    { name: 'numpy', detail: text('numpy is not installed') },
    { name: 'flask and werkzeug', detail: text('werkzeug 3.0.1 is installed') },
  ]);
});
