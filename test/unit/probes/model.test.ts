import { expect, test } from 'vitest';
import { explainModel, type ModelFacts } from '../../../agent/probes/model.ts';

const FILE = '/var/azureml-app/azureml-models/diabetes/1/model.pkl';
const model = {
  file: FILE,
  sklearn: ['1.4.2'],
  packages: ['numpy', 'sklearn'],
  missing: [],
  main: null,
  whole: true,
  problem: null,
};
const facts: ModelFacts = {
  models: [model],
  descriptions: [],
  all: true,
  python: '3.11.2',
  installed: { 'scikit-learn': '1.4.0', lightgbm: null },
};
const steps = (changed: Partial<ModelFacts>) =>
  explainModel({ ...facts, ...changed }, { interpreter: '/usr/bin/python3' });
const failed = (changed: Partial<ModelFacts>) => steps(changed).filter(({ ok }) => !ok);
const of = (changed: Partial<ModelFacts['models'][number]>) => failed({ models: [{ ...model, ...changed }] });
const text = (part: string) => expect.stringContaining(part) as string;

test('a model of the same release, none at all, and one that can’t be read are no fault', () => {
  expect(failed({})).toEqual([]);
  expect(failed({ models: [] })).toEqual([]);
  const cut = { problem: 'it ends early', whole: false };
  expect(steps({ models: [{ ...model, ...cut, packages: [], sklearn: [] }] })).toMatchObject([
    { ok: true, detail: `${FILE}: not read: it ends early` },
  ]);
  expect(steps({ models: [{ ...model, ...cut }] })).toMatchObject([
    { ok: true, detail: text('scikit-learn 1.4.2, as installed (1.4.0); read in part: it ends early') },
  ]);
  expect(of({ ...cut, sklearn: ['0.24.1'] })).toHaveLength(1);
});

test('another release of scikit-learn, or none, is told with both versions and both mends', () => {
  expect(of({ sklearn: ['0.24.1'] })).toMatchObject([
    { detail: text('made with scikit-learn 0.24.1, and scikit-learn 1.4.0'), hint: text('scikit-learn==0.24.1') },
  ]);
  const absent = { models: [{ ...model, missing: ['sklearn', 'sklearn.svm'] }], installed: {} };
  expect(failed(absent)).toMatchObject([{ detail: text('scikit-learn is not installed') }]);
});

test('classes whose module is not there, and classes of the program that wrote it', () => {
  expect(of({ missing: ['lightgbm.sklearn', 'mine.steps'] })).toMatchObject([
    { detail: text('needs lightgbm.sklearn, mine.steps'), hint: text('(lightgbm, mine)') },
  ]);
  expect(of({ main: 'Clean' })).toMatchObject([{ detail: text('needs Clean of __main__') }]);
});

test('MLmodel’s versions are compared where they are those of a package', () => {
  const versions = {
    'sklearn.sklearn_version': '1.4.2',
    'python_function.python_version': '3.8.1',
    mlflow_version: '2.1',
  };
  const described = (more: object) =>
    failed({ models: [], descriptions: [{ file: '/m/MLmodel', versions: { ...versions, ...more } }] });
  expect(described({})).toEqual([]);
  expect(described({ 'lightgbm.lgb_version': '3.3.5' })).toMatchObject([
    { name: 'model’s lightgbm', hint: text('lightgbm==3.3.5') },
  ]);
});
