/** Which folder is taken where nobody names one: each rule of the first attach, and never one that nothing proves. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findHostFolder, isDelicate, type FolderSearch } from '../../../console/engine/host-folder.ts';
import type { Mount } from '../../../console/place/place.ts';

const ROOT = '/var/azureml-app';
const CODE = 'def run(data): return data\n';
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

let base: string;
const home = process.env['HOME'];
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'drydock-folder-')));
  process.env['HOME'] = join(base, 'home');
});
afterEach(() => {
  process.env['HOME'] = home;
  rmSync(base, { recursive: true });
});

/** A folder of the test's own with these files. */
function folder(path: string, files: Readonly<Record<string, string>> = { 'score.py': CODE }): string {
  const dir = join(base, path);
  mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

const find = (search: Partial<FolderSearch>) =>
  findHostFolder({ dir: undefined, cwd: base, root: ROOT, mounts: [], isHere: true, entry: null, ...search });

/** The container has this text as its entry script, its image perhaps another one. */
const entry = (text: string | null = CODE, { path = 'score.py', image = text } = {}): FolderSearch['entry'] => ({
  path,
  digest: text === null ? null : digestOf(text),
  ofImage: () => Promise.resolve(image === null ? null : digestOf(image)),
});

const mount = (source: string, destination = ROOT, more: Partial<Mount> = {}): Mount => ({
  type: 'bind',
  source,
  destination,
  writable: true,
  ...more,
});

describe('the source of a bind mount', () => {
  test('of the app folder: nothing is synchronised', async () => {
    const source = folder('code');
    expect(await find({ mounts: [mount(source)] })).toMatchObject({ mode: 'bind', dir: source });
    expect(await find({ mounts: [mount(source)], entry: entry() })).toMatchObject({ mode: 'bind', dir: source });
  });

  test('of a folder above the app’s: the part of it that is the app’s', async () => {
    const source = folder('repo', { 'app/score.py': CODE });
    const mounts = [mount(source, '/var')];
    expect(await find({ mounts, root: '/var/app' })).toMatchObject({ mode: 'bind', dir: join(source, 'app') });
  });

  test('goes before a folder where the user stands', async () => {
    const source = folder('code');
    const cwd = folder('here');
    expect(await find({ cwd, mounts: [mount(source)], entry: entry() })).toMatchObject({ mode: 'bind', dir: source });
  });

  test('named by --dir it is the same folder still, by whatever path; another one is synchronised', async () => {
    const source = folder('code');
    symlinkSync(source, join(base, 'link'));
    const mounts = [mount(source)];
    expect(await find({ dir: join(base, 'link'), mounts })).toMatchObject({ mode: 'bind', dir: source });
    const other = folder('other');
    expect(await find({ dir: other, mounts })).toMatchObject({ mode: 'sync', dir: other });
  });

  test('not one that lies below another mount, or beside the app folder', async () => {
    const source = folder('code', { 'azureml-app/score.py': CODE });
    const volume = mount('a-volume', ROOT, { type: 'volume' });
    expect(await find({ mounts: [mount(source, '/var'), volume] })).toEqual([]);
    expect(await find({ mounts: [volume, mount(source, '/var')] })).toEqual([]);
    expect(await find({ mounts: [mount(source, `${ROOT}2`)] })).toEqual([]);
    expect(await find({ mounts: [mount(source, `${ROOT}/data`)] })).toEqual([]);
  });

  test('not a folder of this machine that only has the path of one on the engine’s', async () => {
    const source = folder('code', { 'score.py': 'another one\n' });
    expect(await find({ mounts: [mount(source)], isHere: false })).toEqual([]);
    expect(await find({ mounts: [mount(source)], isHere: false, entry: entry() })).toEqual([]);
    // A socket leads to other machines, too.
    expect(await find({ mounts: [mount(source)], entry: entry() })).toEqual([]);
    expect(await find({ mounts: [mount(join(base, 'nowhere'))] })).toEqual([]);
  });
});

describe('the folder whose entry script is the container’s', () => {
  test('where the user stands', async () => {
    const cwd = folder('app');
    expect(await find({ cwd, entry: entry() })).toMatchObject({ mode: 'sync', dir: cwd });
  });

  test('below where the user stands, and by its path in the app folder', async () => {
    const app = folder('repo/services/app', { 'code/score.py': CODE });
    const found = await find({ entry: entry(CODE, { path: 'code/score.py' }) });
    expect(found).toMatchObject({ mode: 'sync', dir: app });
  });

  test('the one that is nearest', async () => {
    const app = folder('app');
    folder('app/backup');
    expect(await find({ entry: entry() })).toMatchObject({ dir: app });
  });

  test('its image’s, where the container’s was edited or is gone', async () => {
    const app = folder('app');
    expect(await find({ entry: entry('edited inside\n', { image: CODE }) })).toMatchObject({ mode: 'sync', dir: app });
    expect(await find({ entry: entry(null, { image: CODE }) })).toMatchObject({ mode: 'sync', dir: app });
  });

  test('the container’s goes before the image’s, which is not even asked for', async () => {
    folder('of-image', { 'score.py': 'older\n' });
    const app = folder('of-container');
    const ofImage = () => Promise.reject(new Error('asked'));
    const search = { path: 'score.py', digest: digestOf(CODE), ofImage };
    expect(await find({ entry: search })).toMatchObject({ dir: app });
  });

  test('nobody’s else, and none in folders that hold others’ code', async () => {
    folder('app', { 'score.py': 'another one\n' });
    for (const name of ['node_modules/app', '.venv/app', '.git/app', 'azureml-models/app']) folder(name);
    expect(await find({ entry: entry() })).toEqual([]);
    expect(await find({ entry: null })).toEqual([]);
  });

  test('of several none: the user must say which', async () => {
    const dirs = [folder('a'), folder('b')];
    folder('b/deeper');
    expect(await find({ entry: entry() })).toEqual(dirs);
  });
});

describe('what is never taken by itself', () => {
  test('a home folder', async () => {
    const dir = folder('home');
    expect(await find({ cwd: dir, entry: entry() })).toEqual([dir]);
    expect(await find({ cwd: base, entry: entry() })).toEqual([dir]);
    symlinkSync(dir, join(base, 'also-home'));
    process.env['HOME'] = join(base, 'also-home');
    expect(await find({ cwd: dir, entry: entry() })).toEqual([dir]);
  });

  test('a folder in it is none', async () => {
    const dir = folder('home/app');
    expect(await find({ cwd: dir, entry: entry() })).toMatchObject({ mode: 'sync', dir });
  });

  test.each(['/', '/home/somebody', '/Users/somebody', '/root'])('%s, whoever asks', async (dir) => {
    expect(await isDelicate(dir)).toBe(true);
  });

  test.each(['/srv', '/home', '/home/somebody/app'])('while %s may be', async (dir) => {
    expect(await isDelicate(dir)).toBe(false);
  });
});

test('--dir that is no folder is a wrong word, and says how to make it', async () => {
  await expect(find({ dir: join(base, 'typo') })).rejects.toMatchObject({
    code: 'usage',
    exitCode: 2,
    message: expect.stringContaining('typo') as string,
    hint: expect.stringContaining('mkdir') as string,
  });
  await expect(find({ dir: join(folder('app'), 'score.py') })).rejects.toMatchObject({ code: 'usage' });
});
