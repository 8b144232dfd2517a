import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskFiles, type Files } from '../../../console/engine/sync/files.ts';
import { Journal } from '../../../console/engine/sync/journal.ts';
import type { JournalLimits } from '../../../console/engine/sync/limits.ts';
import { file, link, sha256 } from '../../support/trees.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drydock-journal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const entry = (path: string, text: string, at = 0) =>
  ({ at, side: 'container', path, before: file(text), after: null }) as const;

async function text(journal: Journal, digest: string): Promise<string | null> {
  const bytes = journal.read(digest);
  if (bytes === null) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function* slowly(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await new Promise(setImmediate);
    yield Buffer.from(chunk);
  }
}

test('bytes and actions come back after a restart, in order', async () => {
  const first = await Journal.open(folder, 0);
  const slow = first.record(entry('slow', 'one two'), slowly('one', ' two'));
  const fast = first.record(entry('fast', 'x'), Buffer.from('x'));
  const none = first.record({ ...entry('l', ''), before: link('a') }, null);
  await Promise.all([slow, fast, none]);
  await first.close();
  const second = await Journal.open(folder, 0);
  expect(second.entries.map(({ path, blob }) => [path, blob])).toEqual([
    ['slow', sha256('one two')],
    ['fast', sha256('x')],
    ['l', null],
  ]);
  expect(await text(second, sha256('one two'))).toBe('one two');
  await second.close();
});

test('bytes are kept by the digest that they have, not by what a side says', async () => {
  const journal = await Journal.open(folder, 0);
  await journal.record(entry('a', 'said'), Buffer.from('sent'));
  expect(journal.read(sha256('said'))).toBeNull();
  expect(await text(journal, journal.entries[0]?.blob ?? '')).toBe('sent');
  await journal.close();
});

test('a failed source leaves nothing, and others go on', async () => {
  const journal = await Journal.open(folder, 0);
  const broken = journal.record(
    entry('a', 'x'),
    (async function* () {
      yield Buffer.from('half');
      await Promise.resolve();
      throw new Error('the link is gone');
    })(),
  );
  const good = journal.record(entry('b', 'y'), Buffer.from('y'));
  await expect(broken).rejects.toThrow('the link is gone');
  await good;
  expect(journal.entries.map(({ path }) => path)).toEqual(['b']);
  expect(await readdir(join(folder, 'blobs'))).toEqual([sha256('y')]);
  await journal.close();
});

/** Bytes on a disk with blocks of 4 KiB. */
const KB = 1024;
const limits = (part: Partial<JournalLimits>): JournalLimits => ({ size: 1024 * KB, least: 0, age: 1_000, ...part });
const paths = (journal: Journal) => journal.entries.map(({ path }) => path);

/** A version of a path with so many KiB that are like no other's. */
async function keep(journal: Journal, path: string, at: number, size = 4): Promise<string> {
  const bytes = Buffer.alloc(size * KB, `${path} ${at} `);
  await journal.record(entry(path, '', at), bytes);
  return sha256(bytes);
}

/** Bytes of the disk. */
async function taken(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const each = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).blocks * 512));
  return each.reduce((sum, bytes) => sum + bytes, 0);
}

test('the oldest is forgotten by size, shared bytes with their last action', async () => {
  const journal = await Journal.open(folder, 0, limits({ size: 16 * KB }));
  await journal.record(entry('old', 'shared', 100), Buffer.from('shared'));
  const b = await keep(journal, 'b', 200);
  await journal.record(entry('c', 'shared', 300), Buffer.from('shared'));
  await keep(journal, 'd', 400, 8);
  expect(paths(journal)).toEqual(['old', 'b', 'c', 'd']);
  await keep(journal, 'e', 500, 1);
  expect(paths(journal)).toEqual(['d', 'e']);
  expect(journal.read(b)).toBeNull();
  expect(journal.read(sha256('shared'))).toBeNull();
  await journal.close();
});

test('and by age, at the next start too', async () => {
  const journal = await Journal.open(folder, 0, limits({}));
  for (const at of [0, 500, 1_100]) await keep(journal, `${at}`, at);
  expect(paths(journal)).toEqual(['0', '500', '1100']); // not for each that is a little too old
  await journal.prune(1_200);
  expect(paths(journal)).toEqual(['500', '1100']);
  await journal.close();
  const next = await Journal.open(folder, 5_000, limits({}));
  expect(next.entries).toEqual([]);
  expect(await readdir(join(folder, 'blobs'))).toEqual([]);
  await next.close();
});

test('a growing log drives nothing out but its own older versions', async () => {
  const journal = await Journal.open(folder, 0, limits({ size: 1024 * KB }));
  for (let n = 0; n < 50; n++) {
    await keep(journal, 'app.log', n, 60);
    if (n % 5 === 0) await keep(journal, `edit ${n}`, n);
  }
  await journal.prune(49);
  expect(paths(journal).filter((path) => path !== 'app.log')).toHaveLength(10);
  expect(journal.entries.findLast(({ path }) => path === 'app.log')?.at).toBe(49);
  await journal.close();
});

test('nor does a file that is larger than all of it', async () => {
  const journal = await Journal.open(folder, 0, limits({ size: 64 * KB }));
  await keep(journal, 'a', 1);
  await keep(journal, 'huge', 2, 100);
  await keep(journal, 'b', 3);
  expect(paths(journal)).toEqual(['a', 'b']);
  await journal.close();
});

test('tiny versions without end: disk, actions and the next start stay bounded, while none of them waits for a pause', async () => {
  let calls = 0;
  const counted =
    (call: (...args: readonly unknown[]) => unknown) =>
    (...args: readonly unknown[]) => {
      calls++;
      return call(...args);
    };
  const counting = Object.fromEntries(Object.entries(diskFiles).map(([name, call]) => [name, counted(call as never)]));
  const tight = limits({ size: 64 * 4 * KB, least: 4 * KB, age: 1e9 });
  const journal = await Journal.open(folder, 0, tight);
  for (let n = 0; n < 20; n++) {
    const at = n * 50;
    await Promise.all(Array.from({ length: 50 }, (_, k) => keep(journal, `${at + k}`, at, 0.1)));
    expect(await taken(folder)).toBeLessThan((64 + 50) * 4 * KB + 100 * KB);
    expect(journal.entries.length).toBeLessThanOrEqual(64);
  }
  await journal.close();
  calls = 0;
  const next = await Journal.open(folder, 0, tight, counting as unknown as Files);
  expect(calls).toBeLessThan(20);
  expect(next.entries.at(-1)?.path).toBe('999');
  expect(await text(next, next.entries.at(-1)?.blob ?? '')).toMatch(/^999 /);
  await next.close();
});

test('what is being recorded is not pruned: bytes wait for the action before theirs', async () => {
  const journal = await Journal.open(folder, 0);
  let goOn = (): void => undefined;
  const waits = new Promise<void>((resolve) => (goOn = resolve));
  const slow = journal.record(
    entry('slow', 'one'),
    (async function* () {
      await waits;
      yield Buffer.from('one');
    })(),
  );
  const fast = journal.record(entry('fast', 'two'), Buffer.from('two'));
  while (journal.read(sha256('two')) === null) await new Promise(setImmediate);
  await journal.prune(0);
  goOn();
  await Promise.all([slow, fast]);
  expect(await text(journal, sha256('two'))).toBe('two');
  await journal.close();
});

test('damage in the middle costs the lines that it hit, and no bytes of others', async () => {
  const first = await Journal.open(folder, 0);
  for (const name of ['a', 'b', 'c']) await first.record(entry(name, name), Buffer.from(name));
  await first.close();
  const index = join(folder, 'index.log');
  const lines = (await readFile(index, 'utf8')).split('\n');
  lines[1] = lines[1]?.replace('b', 'x') ?? '';
  await writeFile(index, lines.join('\n'));
  for (let n = 0; n < 2; n++) {
    const next = await Journal.open(folder, 0);
    expect(next.entries.map(({ path }) => path)).toEqual(['a', 'c']);
    expect(await text(next, sha256('c'))).toBe('c');
    await next.close();
  }
});

test('a torn end of the index and half-written bytes are cleared away', async () => {
  const first = await Journal.open(folder, 0);
  await first.record(entry('a', 'x'), Buffer.from('x'));
  await first.close();
  await writeFile(join(folder, 'index.log'), '0123abcd [1,', { flag: 'a' });
  await writeFile(join(folder, 'blobs', '.half'), 'ha');
  const second = await Journal.open(folder, 0);
  await second.record(entry('b', 'y'), Buffer.from('y'));
  await second.close();
  const third = await Journal.open(folder, 0);
  expect(third.entries.map(({ path }) => path)).toEqual(['a', 'b']);
  expect((await readdir(join(folder, 'blobs'))).sort()).toEqual([sha256('x'), sha256('y')].sort());
  await third.close();
});
