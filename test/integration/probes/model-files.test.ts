/** What the model probe's Python reads in real files; the ends of what is in use, each in a Python of its time. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelFacts } from '../../../agent/probes/model.ts';
import { python, site } from '../../support/python.ts';
import { otherPython } from '../../support/pythons.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NEW = ['scikit-learn==1.7.2', 'joblib==1.5.2', 'numpy==2.3.3'];
const OLD = ['scikit-learn==0.24.2', 'joblib==0.11', 'numpy==1.19.5', 'scipy==1.5.4'];

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
    const { stdout } = await execa(path, [join(ROOT, 'test/fixtures/pickles/write.py'), folder], { env });
    expect(stdout).toBe(version);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const read = async (name: string): Promise<ModelFacts['models']> => {
    const spec = JSON.stringify({ folders: [join(folder, name)] });
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const;
    const { stdio: output } = await execa(path, [join(ROOT, 'agent/python/model.py'), spec], { env, stdio });
    const facts = JSON.parse(output[3]) as ModelFacts;
    expect(facts.all).toBe(true);
    return facts.models.map((model) => ({ ...model, file: basename(model.file) }));
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
