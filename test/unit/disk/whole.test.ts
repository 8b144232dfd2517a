/** New folders that come whole, by one rename, and what happens where that cannot be. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import type { Change, ContentSource } from '../../../shared/core/sync/endpoint.ts';
import { ContentMoved } from '../../../shared/core/sync/endpoint.ts';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import { DIR, contents, file, ignoredInTests } from '../../contract/endpoint.ts';
import { openDisk } from '../../../shared/disk/disk.ts';
import type { SeenDir } from '../../../shared/disk/known.ts';
import { disk, folder, isRoot, leaveVictim, watched } from '../../support/disk.ts';

const TREE: readonly Change[] = [
  { path: 'd', before: null, after: DIR },
  { path: 'd/a', before: null, after: file('a') },
  { path: 'd/e', before: null, after: DIR },
  { path: 'd/e/f', before: null, after: file('f', true) },
  { path: 'd/l', before: null, after: { kind: 'link', target: 'a' } },
];

/** The contents of TREE; `first` runs before the first of them. */
function during(first: () => void, source = contents('a', 'f')): ContentSource {
  let pending: (() => void) | null = first;
  return {
    open: (digest, path) => {
      pending?.();
      pending = null;
      return source.open(digest, path);
    },
  };
}

test('nothing of a new folder is there before all of it is', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  let early: boolean | undefined;
  const outcomes = await endpoint.apply(
    TREE,
    during(() => (early = existsSync(`${root}/d`))),
  );
  expect(early).toBe(false);
  expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done', 'done', 'done', 'done']);
  expect(readFileSync(`${root}/d/e/f`, 'utf8')).toBe('f');
  expect(lstatSync(`${root}/d/e/f`).mode & 0o111).toBe(0o111);
  const found = await endpoint.scan();
  expect(nodeAt(found.root, 'd/e/f')).toEqual(file('f', true));
  expect(nodeAt(found.root, 'd/l')).toEqual({ kind: 'link', target: 'a' });
});

test('it comes by a rename: its inode is that of the staging folder', async () => {
  const { root, base } = await folderBeside();
  const endpoint = await disk(root);
  let staged = 0;
  const source = contents('a', 'f');
  await endpoint.apply(TREE, {
    open: (digest, path) => {
      const [own = ''] = readdirSync(`${base}/.drydock-root`);
      const [name = ''] = readdirSync(`${base}/.drydock-root/${own}`);
      staged ||= lstatSync(`${base}/.drydock-root/${own}/${name}`).ino;
      return source.open(digest, path);
    },
  });
  expect(lstatSync(`${root}/d`).ino).toBe(staged);
});

async function folderBeside() {
  const { root } = await folder();
  return { root, base: root.slice(0, root.lastIndexOf('/')) };
}

test('a folder of somebody else that stands there by then keeps what it holds, and gets what is missing', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  const outcomes = await endpoint.apply(
    TREE,
    during(() => {
      mkdirSync(`${root}/d`);
      writeFileSync(`${root}/d/a`, 'theirs');
    }),
  );
  expect(readFileSync(`${root}/d/a`, 'utf8')).toBe('theirs');
  expect(readFileSync(`${root}/d/e/f`, 'utf8')).toBe('f');
  expect(outcomes.map(({ result }) => result)).toEqual(['refused', 'refused', 'done', 'done', 'done']);
});

test('a file of somebody else that stands there by then stays', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  const outcomes = await endpoint.apply(
    TREE,
    during(() => writeFileSync(`${root}/d`, 'theirs')),
  );
  expect(readFileSync(`${root}/d`, 'utf8')).toBe('theirs');
  expect(outcomes.every(({ result }) => result === 'refused')).toBe(true);
});

test('a folder of ignored files alone is as good as none', async () => {
  const { root } = await folder();
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/x.ign`, 'theirs');
  const endpoint = await disk(root);
  const outcomes = await endpoint.apply(TREE, contents('a', 'f'));
  expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
  expect(readdirSync(`${root}/d`).sort()).toEqual(['a', 'e', 'l', 'x.ign']);
});

test('what cannot be made fails by itself', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  const long = `d/${'n'.repeat(256)}`;
  const changes: readonly Change[] = [
    ...TREE,
    { path: 'd/x.ign', before: null, after: file('a') },
    { path: long, before: null, after: file('a') },
    { path: 'd/moved', before: null, after: file('moved') },
  ];
  const source = contents('a', 'f');
  const outcomes = await endpoint.apply(changes, {
    open: async function* (digest, path) {
      await Promise.resolve();
      if (path === 'd/moved') throw new ContentMoved(path);
      yield* source.open(digest, path);
    },
  });
  expect(outcomes.slice(0, TREE.length).every(({ result }) => result === 'done')).toBe(true);
  expect(outcomes.slice(TREE.length)).toMatchObject([
    { result: 'failed', reason: 'unsupported' },
    { result: 'failed', reason: 'name' },
    { result: 'failed', reason: 'content-moved' },
  ]);
  expect(readdirSync(`${root}/d`).sort()).toEqual(['a', 'e', 'l']);
});

test('what lies in memory is held to what was announced as well', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  const outcomes = await endpoint.apply(TREE, {
    ...contents(),
    atHand: (digest) => Buffer.from(digest === file('a').digest ? 'a' : 'other'),
  });
  expect(outcomes).toMatchObject([
    { result: 'done' },
    { result: 'done' },
    { result: 'done' },
    { result: 'failed', reason: 'content-moved' },
    { result: 'done' },
  ]);
  expect(readFileSync(`${root}/d/a`, 'utf8')).toBe('a');
  expect(readdirSync(`${root}/d/e`)).toEqual([]);
});

test('it is watched before it comes to its path, and no more where it cannot come', async () => {
  const { root } = await folder();
  const watched = new Set<SeenDir>();
  const early: boolean[] = [];
  const endpoint = await disk(root, {
    hints: () =>
      Promise.resolve({
        cover: (_folder, dir) => {
          watched.add(dir);
          if (dir.name === 'd') early.push(!existsSync(`${root}/d`));
          return () => void watched.delete(dir);
        },
        close: () => Promise.resolve(),
      }),
  });
  await endpoint.watch(
    () => undefined,
    () => undefined,
  );
  await endpoint.apply(TREE, contents('a', 'f'));
  expect(early).toEqual([true]);
  expect([...watched].map(({ name }) => name)).toEqual(['', 'd', 'e']);
  const taken = TREE.map((change) => ({ ...change, path: `x${change.path}` }));
  await endpoint.apply(
    taken,
    during(() => writeFileSync(`${root}/xd`, 'theirs')),
  );
  expect([...watched].map(({ name }) => name)).toEqual(['', 'd', 'e']);
});

test('it is watched from then on, and is not told itself', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  await endpoint.apply(TREE, contents('a', 'f'));
  writeFileSync(`${root}/d/e/f`, 'edited');
  await news.says('d/e/f', file('edited', true));
  expect(new Set(news.told.map(({ path }) => path))).toEqual(new Set(['d/e/f']));
});

test('a folder that is moved away at once is told', async () => {
  const { root } = await folder();
  const endpoint = await disk(root);
  await endpoint.apply(TREE, contents('a', 'f'));
  renameSync(`${root}/d`, `${root}/moved`);
  const found = await endpoint.scan();
  expect(nodeAt(found.root, 'd')).toBeNull();
  expect(nodeAt(found.root, 'moved/e/f')).toEqual(file('f', true));
});

test.runIf(isRoot)('owner, group and mode are those of entries that are made one by one', async () => {
  const { root } = await folder();
  mkdirSync(`${root}/p`);
  chownSync(`${root}/p`, 1234, 1235);
  chmodSync(`${root}/p`, 0o2750);
  const endpoint = await disk(root);
  await endpoint.apply(
    TREE.map((change) => ({ ...change, path: `p/${change.path}` })),
    contents('a', 'f'),
  );
  const facts = (path: string) => {
    const { uid, gid, mode } = lstatSync(`${root}/p/${path}`);
    return [uid, gid, mode & 0o7777];
  };
  expect(facts('d')).toEqual([1234, 1235, 0o2750]);
  expect(facts('d/a')).toEqual([1234, 1235, 0o640]);
  expect(facts('d/e')).toEqual([1234, 1235, 0o2750]);
  expect(facts('d/e/f')).toEqual([1234, 1235, 0o750]);
});

test('where no name can be kept free, each is made by itself', async () => {
  const { root } = await folder();
  const endpoint = await disk(root, { can: { moveToFree: false } });
  let early: boolean | undefined;
  const outcomes = await endpoint.apply(
    TREE,
    during(() => (early = existsSync(`${root}/d`))),
  );
  expect(early).toBe(false);
  expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
  expect(readFileSync(`${root}/d/e/f`, 'utf8')).toBe('f');
});

test('what a killed process had made ready goes when the folder is opened again', async () => {
  const { root, base } = await folderBeside();
  leaveVictim(base, { path: 'a', known: ['/'] }, 'victim');
  const [left = ''] = readdirSync(`${base}/.drydock-root`);
  mkdirSync(`${base}/.drydock-root/${left}/new-3/sub`, { recursive: true });
  writeFileSync(`${base}/.drydock-root/${left}/new-3/sub/f`, 'half');
  const endpoint = await openDisk({ root, ignored: ignoredInTests });
  expect(existsSync(`${base}/.drydock-root`)).toBe(false);
  await endpoint.close();
});
