import { expect, test } from 'vitest';
import { explainModel, type ModelFacts } from '../../../agent/probes/model.ts';

const FILE = '/var/azureml-app/azureml-models/diabetes/1/model.pkl';
const model = {
  file: FILE,
  sklearn: ['1.4.2'],
  boosters: [],
  packages: ['numpy', 'sklearn'],
  missing: [],
  main: null,
  whole: true,
  problem: null,
};
const facts: ModelFacts = {
  models: [model],
  natives: [],
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

type Booster = ModelFacts['models'][number]['boosters'][number];
type Installed = ModelFacts['installed'];
const xgboost = (version: string, format: 'pickle' | 'JSON' | 'binary' = 'pickle'): Booster => ({
  package: 'xgboost',
  version,
  format,
});
const lightgbm = (version: 'v3' | 'v4', format: 'pickle' | 'text' = 'pickle'): Booster => ({
  package: 'lightgbm',
  version,
  format,
});

/** Of a pickle with the booster, and of its own file. */
const pickled = (booster: Booster, installed: Installed) =>
  steps({ models: [{ ...model, sklearn: [], packages: [booster.package], boosters: [booster] }], installed });
const native = (booster: Booster, installed: Installed) =>
  steps({ models: [], natives: [{ file: '/m/model.json', booster }], installed });

test('a pickle of xgboost wants its own release', () => {
  expect(pickled(xgboost('2.1.1'), { xgboost: '2.1.4' })).toMatchObject([
    { ok: true, detail: `${FILE}: made with xgboost 2.1.1, as installed (2.1.4)` },
  ]);
  expect(pickled(xgboost('1.7.6'), { xgboost: '2.1.4' })).toMatchObject([
    {
      name: 'model’s xgboost',
      ok: false,
      detail: text('made with xgboost 1.7.6, and xgboost 2.1.4 is installed'),
      hint: text('pip install xgboost==1.7.6'),
    },
  ]);
  expect(pickled(xgboost('0'), { xgboost: '2.1.4' })).toMatchObject([
    { ok: false, detail: text('made with xgboost before 1.0, and'), hint: text("pip install 'xgboost<1'") },
  ]);
  expect(pickled(xgboost('0'), { xgboost: '0.90' })).toMatchObject([{ ok: true }]);
});

test('a package that is not installed is told once, with the version that is known', () => {
  const made = { ...model, sklearn: [], boosters: [xgboost('2.1.4')], missing: ['xgboost.core', 'mine'] };
  expect(failed({ models: [made], installed: {} })).toMatchObject([
    { name: 'model’s xgboost', detail: text('2.1.4, and xgboost is not installed') },
    { name: 'model’s modules', detail: text('needs mine, which') },
  ]);
  expect(native(lightgbm('v3', 'text'), {})).toMatchObject([
    { ok: false, detail: text('lightgbm 2.3 to 3.3, and lightgbm is not'), hint: text("'lightgbm>=2.3,<4'") },
  ]);
});

test('xgboost’s own files are read by later versions, the binary ones before 3.1 only', () => {
  expect(native(xgboost('1.7.6', 'JSON'), { xgboost: '3.2.0' })).toMatchObject([
    { ok: true, detail: '/m/model.json: made with xgboost 1.7.6, as JSON, which 3.2.0, as installed, reads' },
  ]);
  expect(native(xgboost('3.10.0', 'JSON'), { xgboost: '3.2.0' })).toMatchObject([
    { ok: false, detail: text('3.10.0, and xgboost 3.2.0 is installed') },
  ]);
  expect(native(xgboost('1.7', 'binary'), { xgboost: '3.0.5' })).toMatchObject([{ ok: true }]);
  expect(native(xgboost('2.0', 'binary'), { xgboost: '1.7.6' })).toMatchObject([
    { ok: false, hint: text("'xgboost==2.0.*'") },
  ]);
  expect(native(xgboost('0', 'binary'), { xgboost: '3.1.0' })).toMatchObject([
    { ok: false, detail: text('before 1.0, in its old binary format'), hint: text("'xgboost<3.1'") },
  ]);
});

test('of LightGBM the text’s format is known: what came before it can’t load its pickles', () => {
  expect(pickled(lightgbm('v4'), { lightgbm: '3.3.5' })).toMatchObject([
    {
      name: 'model’s lightgbm',
      ok: false,
      detail: text('made with lightgbm 4.0 or later, and lightgbm 3.3.5 is installed'),
      hint: text("'lightgbm>=4'"),
    },
  ]);
  expect(pickled(lightgbm('v3'), { lightgbm: '4.6.0' })).toMatchObject([
    { ok: true, detail: `${FILE}: made with lightgbm 2.3 to 3.3 by the format of its text, v3 (4.6.0 is installed)` },
  ]);
  expect(native(lightgbm('v4', 'text'), { lightgbm: '3.3.5' })).toMatchObject([{ ok: true }]);
});

test('MLmodel’s versions are compared where they are those of a package', () => {
  const versions = {
    'sklearn.sklearn_version': '1.4.2',
    'python_function.python_version': '3.8.1',
    mlflow_version: '2.1',
  };
  const described = (more: object) => {
    const descriptions = [{ file: '/m/MLmodel', versions: { ...versions, ...more } }];
    return failed({ models: [], descriptions, installed: { ...facts.installed, xgboost: '2.1.4' } });
  };
  expect(described({})).toEqual([]);
  expect(described({ 'lightgbm.lgb_version': '3.3.5' })).toMatchObject([
    { name: 'model’s lightgbm', hint: text('lightgbm==3.3.5') },
  ]);
  expect(described({ 'xgboost.xgb_version': '1.7.6' })).toEqual([]);
  expect(described({ 'xgboost.xgb_version': '3.0.0' })).toMatchObject([{ name: 'model’s xgboost' }]);
});
