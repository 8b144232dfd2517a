import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nextVersion } from '../../../agent/models/look.ts';
import { putModel } from '../../../agent/models/put.ts';
import { listModel, modelTar } from '../../../console/engine/model-tar.ts';
import type { ReloadResult, ReloadStage } from '../../../shared/core/service.ts';

let dir: string;
let models: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-put-'));
  models = join(dir, 'azureml-models');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const result = (ok: boolean, stage: ReloadStage): ReloadResult => ({
  ok,
  generation: 1,
  ms: 1,
  stage,
  stages: [],
  at: 1,
});

/** What stands in the app's folder, files only. */
const files = (): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();

function put(name: string, tar: Readable, stages: readonly ReloadStage[] = ['answer']) {
  const left = [...stages];
  const seen: string[][] = [];
  const reload = () => {
    seen.push(files());
    const stage = left.shift() ?? 'answer';
    return Promise.resolve(result(stage === 'answer', stage));
  };
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { last: putModel({ folder: models, name, owner, tar, reload }), seen };
}

async function tarOf(path: string): Promise<Readable> {
  return Readable.from(modelTar(await listModel(path), () => undefined));
}

interface Header {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly linkname?: string;
}

const entries = (...headers: Header[]): Readable => {
  const tar = pack();
  for (const header of headers) tar.entry({ ...header }, header.type === 'file' ? 'x' : '');
  tar.finalize();
  return Readable.from(tar);
};

test('the next version is above the highest number, whatever else lies there', () => {
  expect(nextVersion(join(models, 'm'))).toBe(1);
  for (const entry of ['9', '10', 'latest', '.ipynb_checkpoints'])
    mkdirSync(join(models, 'm', entry), { recursive: true });
  expect(nextVersion(join(models, 'm'))).toBe(11);
});

test('a version appears with the folders above it, for all to read, and nothing else is left', async () => {
  const source = join(dir, 'source');
  mkdirSync(join(source, 'deep'), { recursive: true });
  writeFileSync(join(source, 'deep/a.bin'), 'abc', { mode: 0o600 });
  writeFileSync(join(source, 'empty'), '');
  writeFileSync(join(source, '.DS_Store'), 'stray');
  const tar = await tarOf(source);
  rmSync(join(source, '.DS_Store'));
  const { last, seen } = put('m', tar);
  expect(await last).toMatchObject({ version: 1, path: join(models, 'm/1'), bytes: 3, reload: { ok: true } });
  const there = ['azureml-models/m/1/source/deep/a.bin', 'azureml-models/m/1/source/empty'];
  expect(seen[0]?.filter((file) => !file.startsWith('source/'))).toEqual(there);
  expect(readFileSync(join(dir, there[0] ?? ''), 'utf8')).toBe('abc');
  expect(statSync(join(dir, there[0] ?? '')).mode & 0o777).toBe(0o644);
  expect(statSync(models).mode & 0o777).toBe(0o755);
  expect(readdirSync(dir).sort()).toEqual(['azureml-models', 'source']);
});

describe('a version on which the code fails', () => {
  test('is taken away with the folders that came with it', async () => {
    const { last, seen } = put('m', entries({ name: 'model.pkl', type: 'file' }), ['init']);
    expect(await last).toMatchObject({ version: null, path: null, bytes: 1, reload: { ok: false, stage: 'init' } });
    expect(seen).toEqual([['azureml-models/m/1/model.pkl']]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('leaves the versions before it; one that was switched to is switched away from', async () => {
    mkdirSync(join(models, 'm/1'), { recursive: true });
    writeFileSync(join(models, 'm/1/old.pkl'), '');
    const { last, seen } = put('m', entries({ name: 'new.pkl', type: 'file' }), ['switch', 'answer']);
    expect(await last).toMatchObject({ version: null, reload: { ok: false, stage: 'switch' } });
    const before = 'azureml-models/m/1/old.pkl';
    // Until the service has left it, what was rejected is kept where nothing counts.
    const counting = seen.map((all) => all.filter((file) => !file.startsWith('.drydock/')));
    expect(counting).toEqual([[before, 'azureml-models/m/2/new.pkl'], [before]]);
    expect(files()).toEqual([before]);
  });
});

test.each([
  ['leads out of the folder', [{ name: 'model/../../../evil', type: 'file' }]],
  ['is absolute', [{ name: '/evil', type: 'file' }]],
  ['is a link', [{ name: 'model', type: 'symlink', linkname: '/etc' }]],
  [
    'is a second entry',
    [
      { name: 'a', type: 'file' },
      { name: 'b', type: 'file' },
    ],
  ],
] satisfies [string, Header[]][])('nothing is put where a name %s', async (_, headers) => {
  const { last, seen } = put('m', entries(...headers));
  await expect(last).rejects.toMatchObject({ code: 'protocol-violation' });
  expect(seen).toEqual([]);
  expect(readdirSync(dir)).toEqual([]);
});

test('a stream that breaks leaves nothing', async () => {
  const tar = entries({ name: 'model', type: 'directory' }, { name: 'model/a', type: 'file' });
  const broken = new Readable({ read: () => undefined });
  for await (const chunk of tar) {
    broken.push(chunk);
    break;
  }
  const { last, seen } = put('m', broken);
  broken.destroy();
  await expect(last).rejects.toMatchObject({ code: 'io', hint: expect.any(String) as string });
  expect(seen).toEqual([]);
  expect(readdirSync(dir)).toEqual([]);
});
