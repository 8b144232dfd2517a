/** Settling conflicts on a real folder, with a real journal: whatever the copy is, and however long its name. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { folderActions } from '../../../console/engine/sync/actions.ts';
import { compare } from '../../../console/engine/sync/compare.ts';
import { withHost } from '../../../console/engine/sync/host-disk.ts';
import { conflictsIn } from '../../../console/engine/sync/rows.ts';
import { SyncStore } from '../../../console/engine/sync/store.ts';
import type { Take } from '../../../console/engine/view.ts';
import { copyNames } from '../../../shared/core/sync/copy-name.ts';
import type { Node } from '../../../shared/core/sync/tree.ts';
import { file, plain } from '../../contract/endpoint.ts';
import { folder } from '../../support/disk.ts';

const HOST = 'host';
const CONTAINER = 'container';
const TREE: Node = { kind: 'dir', children: new Map([['x', file(CONTAINER)]]) };
const copyOf = (name: string, node: Node = file(CONTAINER)) => [...copyNames(name, node)][0] ?? '';
const LONG = `${'ä'.repeat(124)}.py`;

/** A folder with these files; a conflict in it is settled by its copy's name. */
async function settling(files: Readonly<Record<string, string>>) {
  const { root } = await folder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const state = mkdtempSync(join(tmpdir(), 'drydock-settle-'));
  const store = await SyncStore.open(state, root, Date.now());
  onTestFinished(async () => {
    await store.close();
    rmSync(state, { recursive: true });
  });
  const tree = () => withHost(root, async (host) => (await host.scan()).root);
  const conflicts = async () => conflictsIn((await tree()) ?? { kind: 'dir', children: new Map() });
  const settle = async (take: Take) => {
    const [conflict] = await conflicts();
    if (conflict === undefined) throw new Error('there is no conflict');
    return folderActions(root, store.journal).settle(conflict, take);
  };
  const journaled = () => store.journal.entries.map(({ path }) => path).sort();
  return { root, conflicts, settle, journaled, all: async () => plain(await tree()) };
}

test('a name so long that the copy’s was cut: the file that it was made of is found', async () => {
  const files = { [`d/${LONG}`]: HOST, [`d/${copyOf(LONG)}`]: CONTAINER };
  const kept = `d/${copyOf(LONG)}`;
  const { conflicts, settle, all, root } = await settling(files);
  expect(await conflicts()).toEqual([{ path: `d/${LONG}`, kept }]);
  writeFileSync(join(root, kept), HOST);
  expect(await conflicts()).toEqual([]); // made equal
  writeFileSync(join(root, kept), CONTAINER);
  expect(await settle('container')).toBe(`d/${LONG}`);
  expect(await all()).toEqual({ d: { [LONG]: file(CONTAINER) } });
});

test('the container’s version gets a name of its own, which is cut in its turn', async () => {
  const { settle, all } = await settling({ [LONG]: HOST, [copyOf(LONG)]: CONTAINER });
  const own = `${'ä'.repeat(121)}.container.py`;
  expect(await settle('both')).toBe(own);
  expect(await all()).toEqual({ [LONG]: file(HOST), [own]: file(CONTAINER) });
});

test('which of two long names it was made of is not guessed', async () => {
  const other = `${'ä'.repeat(123)}b.py`;
  const kept = copyOf(LONG);
  const { root, conflicts, settle, all } = await settling({ [LONG]: HOST, [other]: 'another', [kept]: CONTAINER });
  expect(copyOf(other)).toBe(kept);
  await expect(settle('container')).rejects.toThrow('is a copy of one of 2 files');
  expect(await all()).toEqual({ [LONG]: file(HOST), [other]: file('another'), [kept]: file(CONTAINER) });
  renameSync(join(root, kept), join(root, LONG));
  expect(await conflicts()).toEqual([]);
});

test('nor where the file is no more', async () => {
  const kept = copyOf(LONG);
  const { settle, all } = await settling({ [kept]: CONTAINER });
  await expect(settle('container')).rejects.toThrow('is a copy of nothing that is there');
  await settle('host');
  expect(await all()).toEqual({});
});

test('what follows a dot and is long is no extension: the copy’s name fits', () => {
  const name = `a.${'b'.repeat(240)}`;
  expect(Buffer.byteLength(copyOf(name))).toBe(255);
});

for (const [what, host, shown] of [
  ['a file', { 'm.d': HOST }, file(HOST)],
  ['a folder', { 'm.d/y': HOST, 'm.d/sub/z': HOST }, { y: file(HOST), sub: { z: file(HOST) } }],
] as const) {
  const kept = copyOf('m.d', TREE);
  const copy = { [`${kept}/x`]: CONTAINER };

  test(`a folder’s copy against ${what} is compared as what it is`, async () => {
    const { root, conflicts } = await settling({ ...host, ...copy });
    const [conflict] = await conflicts();
    expect(conflict).toEqual({ path: 'm.d', kept });
    expect(await withHost(root, (disk) => compare(disk, { path: 'm.d', kept }))).toEqual({
      path: 'm.d',
      kept,
      host: what === 'a file' ? HOST.length : 'folder',
      container: 'folder',
      lines: null,
    });
  });

  test(`a folder’s copy against ${what}: the host’s stays`, async () => {
    const { settle, all, journaled } = await settling({ ...host, ...copy });
    expect(await settle('host')).toBeNull();
    expect(await all()).toEqual({ 'm.d': shown });
    expect(journaled()).toEqual([`${kept}/x`]);
  });

  test(`a folder’s copy against ${what}: the container’s takes its place`, async () => {
    const { settle, all, journaled } = await settling({ ...host, ...copy });
    expect(await settle('container')).toBe('m.d');
    expect(await all()).toEqual({ 'm.d': { x: file(CONTAINER) } });
    expect(journaled()).toEqual([...Object.keys(host), `${kept}/x`].sort());
  });

  test(`a folder’s copy against ${what}: both stay`, async () => {
    const { settle, all } = await settling({ ...host, ...copy });
    expect(await settle('both')).toBe('m.d.container');
    expect(await all()).toEqual({ 'm.d': shown, 'm.d.container': { x: file(CONTAINER) } });
  });
}

test('a file’s copy takes the place of a folder; what the rules ignore in one is not touched', async () => {
  const kept = copyOf('m');
  const { root, settle, all } = await settling({ 'm/y': HOST, [kept]: CONTAINER });
  expect(await settle('container')).toBe('m');
  expect(await all()).toEqual({ m: file(CONTAINER) });
  rmSync(join(root, 'm'));
  mkdirSync(join(root, 'm/__pycache__'), { recursive: true });
  writeFileSync(join(root, 'm/__pycache__/y.pyc'), 'ignored');
  writeFileSync(join(root, kept), CONTAINER);
  await expect(settle('container')).rejects.toThrow('a folder with ignored files stands here');
  expect(await all()).toEqual({ [kept]: file(CONTAINER) });
});

test('a folder with something in it that is to be left alone stays as it is', async () => {
  const kept = copyOf('m', TREE);
  const { root, settle, all } = await settling({ m: HOST, [`${kept}/x`]: CONTAINER });
  symlinkSync('/etc', join(root, kept, 'out'));
  const before = await all();
  for (const take of ['host', 'container', 'both'] as const)
    await expect(settle(take)).rejects.toThrow('cannot be read, or something in it');
  expect(await all()).toEqual(before);
});
