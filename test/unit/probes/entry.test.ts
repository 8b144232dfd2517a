import { expect, test } from 'vitest';
import { codeMount, explainEntry, type EntryFacts, type Script } from '../../../agent/probes/entry.ts';

const PATH = '/var/azureml-app/score.py';
const own = { from: null, required: 0, decorated: false, free: false };
const facts: EntryFacts = {
  kind: 'file',
  error: null,
  names: { init: { ...own, line: 5 }, run: { ...own, line: 9, required: 1 } },
  stars: false,
  isDriver: false,
  module: null,
  moduleFile: null,
  others: [],
  beside: ['helpers/', 'score.py'],
};
const script: Script = { path: PATH, source: '--entry_script', mount: null, engine: 'ssh: gpu1', driver: null };
const worker = { server: 'azmlinfsrv' as const, user: 'dockeruser', application: null };
const steps = (changed: Partial<EntryFacts>, other: Partial<Script> = {}) =>
  explainEntry({ ...facts, ...changed }, { ...script, ...other }, worker);
const failed = (...given: Parameters<typeof steps>) => steps(...given).filter(({ ok }) => !ok);

test('a script with init() and run() is well', () => {
  expect(failed({})).toEqual([]);
});

test('a script that is not there: who could be meant', () => {
  const missing = { kind: 'missing', others: ['/var/azureml-app/src/score.py'], beside: ['src/'] } as const;
  expect(failed({ ...missing, others: [...missing.others], beside: [...missing.beside] })).toMatchObject([
    {
      name: 'entry script',
      hint: expect.stringContaining('/var/azureml-app/src/score.py has init() and run()') as string,
    },
  ]);
});

test('an empty mounted folder is told with the path on the engine’s machine', () => {
  const mount = { point: '/var/azureml-app', source: '/home/me/app', isEmpty: true };
  const hint = expect.stringContaining('/home/me/app is on the machine of the engine (ssh: gpu1)') as string;
  expect(failed({ kind: 'missing', beside: [] }, { mount })).toMatchObject([
    { name: 'entry script' },
    { name: 'mount', hint },
  ]);
  // The engine makes a folder also where a file was to be mounted.
  const file = { point: PATH, source: '/home/me/score.py', isEmpty: true };
  expect(failed({ kind: 'folder' }, { mount: file })).toMatchObject([{ name: 'entry script' }, { name: 'mount' }]);
  expect(failed({}, { mount: { ...mount, isEmpty: false } })).toEqual([]);
});

test.each([
  ['compiles', { error: { type: 'SyntaxError', message: 'invalid syntax', line: 3 } }],
  ['run()', { names: { ...facts.names, run: null } }],
  ['init()', { names: { ...facts.names, init: { ...own, line: 5, required: 1 } } }],
  ['run()', { names: { ...facts.names, run: { ...own, line: 9, free: true } } }],
] as const)('%s', (name, changed) => {
  expect(failed(changed)).toMatchObject([{ name, hint: expect.any(String) as string }]);
});

test('what a decorator or an import of everything makes of a function is not known, and no fault', () => {
  expect(failed({ names: { ...facts.names, run: { ...own, line: 9, free: true, decorated: true } } })).toEqual([]);
  expect(failed({ names: { init: null, run: null }, stars: true })).toEqual([]);
});

test('an edit of a driver’s own run() changes nothing', () => {
  const said = steps({ isDriver: true, module: 'score', moduleFile: '/var/azureml-app/x/score.py' });
  expect(said.at(-1)).toMatchObject({ name: 'driver', ok: true });
  expect(said.at(-1)?.detail).toContain('changes nothing');
});

test('the deepest mount holds the script; the container’s own root is none', () => {
  const mounts = [
    { point: '/', source: '/' },
    { point: '/var', source: '/a' },
    { point: '/var/azureml-app', source: '/b' },
    { point: '/var/azureml-app/azureml-models', source: '/c' },
  ];
  expect(codeMount(PATH, mounts)?.source).toBe('/b');
  expect(codeMount('/srv/score.py', mounts)).toBeNull();
});
