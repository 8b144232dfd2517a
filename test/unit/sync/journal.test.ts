import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Journal } from '../../../console/engine/sync/journal.ts';
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

test('the oldest is forgotten by size and by age, shared bytes with their last action', async () => {
  const journal = await Journal.open(folder, 0, { size: 25, age: 1_000 });
  await journal.record(entry('old', 'shared-10b', 100), Buffer.from('shared-10b'));
  await journal.record(entry('b', 'bbbbbbbbbb', 200), Buffer.from('bbbbbbbbbb'));
  await journal.record(entry('c', 'shared-10b', 300), Buffer.from('shared-10b'));
  await journal.prune(300);
  expect(journal.entries.map(({ path }) => path)).toEqual(['old', 'b', 'c']);
  await journal.record(entry('d', 'dddddddddd', 400), Buffer.from('dddddddddd'));
  await journal.prune(400);
  expect(journal.entries.map(({ path }) => path)).toEqual(['c', 'd']);
  expect(journal.read(sha256('bbbbbbbbbb'))).toBeNull();
  expect(await text(journal, sha256('shared-10b'))).toBe('shared-10b');
  await journal.prune(1_350);
  expect(journal.entries.map(({ path }) => path)).toEqual(['d']);
  await journal.close();
  const next = await Journal.open(folder, 5_000, { size: 25, age: 1_000 });
  expect(next.entries).toEqual([]);
  expect(await readdir(join(folder, 'blobs'))).toEqual([]);
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
