/** What the model probe's Python reads in real files; the ends of what is in use, each in a Python of its time. */
import { globSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelFacts } from '../../../agent/probes/model.ts';
import { python, site } from '../../support/python.ts';
import { otherPython } from '../../support/pythons.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const FIXTURES = join(ROOT, 'test/fixtures');
/** Of address space: far more than Python itself takes, and less than the largest files here. */
const MAX_KB = 1_000_000;
const NEW = ['scikit-learn==1.7.2', 'joblib==1.5.2', 'numpy==2.3.3'];
const OLD = ['scikit-learn==0.24.2', 'joblib==0.11', 'numpy==1.19.5', 'scipy==1.5.4'];

async function modelFacts(interpreter: string, env: Record<string, string>, folder: string): Promise<ModelFacts> {
  const argv = [interpreter, join(ROOT, 'agent/python/model.py'), JSON.stringify({ folders: [folder] })];
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const;
  const bounded = ['-c', `ulimit -v ${MAX_KB} && exec "$@"`, 'sh', ...argv];
  const { stdio: output } = await execa('sh', bounded, { env, stdio });
  return JSON.parse(output[3]) as ModelFacts;
}

const named = <File extends { readonly file: string }>(files: readonly File[]): File[] =>
  files.map((file) => ({ ...file, file: basename(file.file) }));

describe.each([
  ['1.7.2', 'joblib 1.5', () => python(), NEW],
  ['0.24.2', 'joblib 0.11', () => otherPython('3.9'), OLD],
])('files of scikit-learn %s and %s', (version, _, interpreter, packages) => {
  let folder = '';
  let path = '';
  let env: Record<string, string> = {};
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drydock-pickles-'));
    const found = await interpreter();
    path = found.path;
    env = { PYTHONPATH: await site(`scikit-learn-${version}`, packages, found), PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await execa(path, [join(FIXTURES, 'pickles/write.py'), folder], { env });
    expect(stdout).toBe(version);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const read = async (name: string): Promise<ModelFacts['models']> => {
    const facts = await modelFacts(path, env, join(folder, name));
    expect(facts.all).toBe(true);
    return named(facts.models);
  };

  test('a model is found in all protocols, compressions and layouts, behind arrays that hold the same bytes', async () => {
    const models = await read('models');
    expect(models).toHaveLength(33);
    for (const model of models) {
      const packages = expect.arrayContaining(['numpy', 'sklearn']) as string[];
      expect(model).toMatchObject({
        sklearn: [version],
        packages,
        missing: [],
        main: null,
        whole: true,
        problem: null,
      });
    }
  });

  test('what only looks like a version or a class is none', async () => {
    const models = await read('lies');
    expect(models).toHaveLength(12);
    for (const { file, sklearn, missing, packages, whole } of models) {
      expect({ file, sklearn, missing, whole }).toEqual({ file, sklearn: [], missing: [], whole: true });
      expect(['_codecs', 'builtins', 'copyreg', 'joblib', 'numpy']).toEqual(expect.arrayContaining(packages));
    }
  });

  test('torch’s zip, and its older files of several pickles', async () => {
    const expected = { sklearn: [], packages: ['torch'], missing: ['torch', 'torch._utils'], whole: true };
    expect(await read('torch')).toMatchObject([
      { file: 'legacy.pth', ...expected },
      { file: 'zip.pt', ...expected },
    ]);
  });

  test('a broken or hostile file is read as far as it goes; what is no pickle is left out', async () => {
    const models = await read('broken');
    const told = models.map(({ file, sklearn, whole, problem }) => [file, sklearn, whole, problem]);
    expect(told).toEqual([
      ['bomb.pkl', [], false, 'it is larger than what is read of a file'],
      ['cut-at-end.joblib', [version], false, 'it ends before its pickle does'],
      ['cut-in-array.joblib', [], false, 'it ends before its pickle does'],
      ['long.pkl', [], false, 'it ends before its pickle does'],
      ['marks.pkl', [], false, 'it is nested too deep'],
      ['memo.pkl', [], true, null],
      ['negative.pkl', [], false, 'a length in it is negative'],
      ['nothing.pkl', [], false, 'its opcode REDUCE has nothing to work on'],
      ['opcode.pkl', [version], false, 'a byte of it is no opcode'],
      ['shape.joblib', [], false, 'it ends before its pickle does'],
      ['tuples.pkl', [], true, null],
      ['zip.pt', [], false, 'BadZipFile: File is not a zip file'],
    ]);
  });
});

/** On both sides of LightGBM's 4.0. */
describe.each([
  ['2.1.4', '3.3.5', 'v3'],
  ['3.2.0', '4.6.0', 'v4'],
])('xgboost %s, LightGBM %s', (xgboost, lightgbm, text) => {
  let folder = '';
  let env: Record<string, string> = {};
  const read = async (name: string) => {
    const facts = await modelFacts((await python()).path, env, join(folder, name));
    expect(facts).toMatchObject({ all: true, installed: { xgboost, lightgbm } });
    return facts;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drydock-boosters-'));
    const needed = await site('scikit-learn-1.7.2', NEW);
    // xgboost alone would bring NVIDIA's library of 200 MB.
    const packages = ['--no-deps', `xgboost-cpu==${xgboost}`, `lightgbm==${lightgbm}`];
    const boosters = await site(`boosters-${xgboost}-${lightgbm}`, packages);
    // LightGBM takes the system's, and a bare machine has none.
    const [openmp = ''] = globSync('scikit_learn.libs/libgomp-*', { cwd: needed });
    await symlink(join(needed, openmp), join(folder, 'libgomp.so.1'));
    env = { PYTHONPATH: `${boosters}:${needed}`, PYTHONDONTWRITEBYTECODE: '1', LD_LIBRARY_PATH: folder };
    await execa((await python()).path, [join(FIXTURES, 'boosters/write.py'), folder], { env });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['xgboost', { package: 'xgboost', version: xgboost, format: 'pickle' }],
    ['lightgbm', { package: 'lightgbm', version: text, format: 'pickle' }],
  ])('pickled models of %s, in all protocols', async (name, booster) => {
    const { models, natives } = await read(`pickled/${name}`);
    expect(models).toHaveLength(19);
    expect(natives).toEqual([]);
    for (const model of models)
      expect(model).toMatchObject({ boosters: [booster], missing: [], whole: true, problem: null });
  });

  test('models in files of their own', async () => {
    const { models, natives } = await read('native');
    const told = natives.map(({ file, booster }) => [basename(file), booster.package, booster.version, booster.format]);
    const ubj = ['xgboost', xgboost, 'UBJSON'];
    const json = ['xgboost', xgboost, 'JSON'];
    expect(models).toEqual([]);
    expect(told).toEqual([
      ['crlf.lgb', 'lightgbm', text, 'text'],
      ['model.txt', 'lightgbm', text, 'text'],
      ['classifier.bst', ...ubj],
      ['classifier.json', ...json],
      ['classifier.model', ...ubj],
      ['classifier.ubj', ...ubj],
      ['indented.json', ...json],
      ['model.bst', ...ubj],
      ['model.json', ...json],
      ['model.model', ...ubj],
      ['model.pkl', ...ubj],
      ['model.ubj', ...ubj],
    ]);
  });

  test('what only looks like a model is none', async () => {
    const { models, natives } = await read('lies');
    expect(named(models)).toMatchObject([{ file: 'parts.pkl', boosters: [], whole: true }]);
    expect(natives).toEqual([]);
  });

  test('models of gigabytes, in a part of that memory', async () => {
    const { models, natives } = await read('large');
    const booster = { package: 'xgboost', version: xgboost };
    expect(named(models)).toMatchObject([{ file: 'model.pkl', boosters: [{ ...booster, format: 'pickle' }] }]);
    expect(named(natives)).toEqual([{ file: 'model.json', booster: { ...booster, format: 'JSON' } }]);
  });
});

test('xgboost’s older files, written by 0.90, 1.0.2 and 1.2.1, whose wheels are over 100 MB', async () => {
  const { path } = await python();
  const { models, natives } = await modelFacts(path, {}, join(FIXTURES, 'boosters/recorded'));
  const pickled = (version: string) => ({ boosters: [{ package: 'xgboost', version, format: 'pickle' }], whole: true });
  expect(named(models)).toMatchObject([
    { file: 'xgboost-0.90.pkl', ...pickled('0') },
    { file: 'xgboost-1.2.1.pkl', ...pickled('1.2.1') },
  ]);
  const binary = (version: string) => ({ booster: { package: 'xgboost', version, format: 'binary' } });
  expect(named(natives)).toEqual([
    { file: 'xgboost-0.90.model', ...binary('0') },
    { file: 'xgboost-1.0.2.model', ...binary('1.0') },
    { file: 'xgboost-1.2.1.model', ...binary('1.2') },
  ]);
});

/** As MLflow 1.30 wrote it, shortened. */
const MLMODEL = `artifact_path: model
flavors:
  python_function:
    env: conda.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.8.13
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: '0.24.2'
  xgboost:
    xgb_version: 1.5.2
mlflow_version: 1.30.0
model_uuid: 0fdf1a9e9a1b4ba7a1ce64bd19c11f48
signature:
  inputs: '[{"name": "sklearn_version: 9", "type": "double"}]'
utc_time_created: '2022-11-02 10:21:33.123456'
`;

test('an MLmodel tells the versions of its flavors', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-mlmodel-'));
  try {
    await writeFile(join(folder, 'MLmodel'), MLMODEL);
    const { descriptions, models, natives } = await modelFacts((await python()).path, {}, folder);
    expect({ models, natives }).toEqual({ models: [], natives: [] });
    expect(named(descriptions)).toEqual([
      {
        file: 'MLmodel',
        versions: {
          mlflow_version: '1.30.0',
          'python_function.loader_module': 'mlflow.sklearn',
          'python_function.python_version': '3.8.13',
          'sklearn.sklearn_version': '0.24.2',
          'xgboost.xgb_version': '1.5.2',
        },
      },
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
