import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BaseLog, type LoadedLog } from '../../../console/engine/sync/base-log.ts';
import type { BaseMove } from '../../../shared/core/sync/agree.ts';
import { EMPTY, entryOf, walk } from '../../../shared/core/sync/tree.ts';
import { anyTree, file, link, tree } from '../../support/trees.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drydock-log-'));
  path = join(folder, 'base.log');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(): Promise<LoadedLog> {
  const loaded = await BaseLog.load(path);
  if (loaded === null) throw new Error('there is no log');
  return loaded;
}

const MOVES: readonly BaseMove[] = [
  ['a', file('1', true)],
  ['d', { kind: 'dir' }],
  ['d/l', link('../a')],
  ['weird\n🚢 name', file('2')],
];
const MOVED = tree({ a: file('1', true), d: { l: link('../a') }, 'weird\n🚢 name': file('2') });

test('no log is no history', async () => {
  expect(await BaseLog.load(path)).toBeNull();
});

test('any base comes back', async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, async (base) => {
      await BaseLog.create(path, base).close();
      const loaded = await load();
      await loaded.log.close();
      expect(loaded.base).toEqual(base);
      expect(loaded.intents).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test('moves add up, a null takes what was below with it', async () => {
  const log = BaseLog.create(path, EMPTY);
  log.moved(MOVES);
  await log.close();
  const first = await load();
  expect(first.base).toEqual(MOVED);
  first.log.moved([['d', null]]);
  await first.log.close();
  const second = await load();
  await second.log.close();
  expect(second.base).toEqual(tree({ a: file('1', true), 'weird\n🚢 name': file('2') }));
  expect(second.log.known).toEqual(MOVED);
});

test('intents are open until their outcome is known', async () => {
  const log = BaseLog.create(path, EMPTY);
  log.intends('container', 1, [{ path: 'a', before: null, after: file('1'), agreed: file('1') }], 0);
  log.intends(
    'host',
    2,
    [
      { path: 'b', before: file('1'), after: null, agreed: null },
      { path: 'copy', before: null, after: file('3') },
    ],
    0,
  );
  log.settled('container', 1);
  await log.close();
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.intents).toEqual([{ side: 'host', path: 'b', after: null, agreed: null }]);
});

test('once a side was looked at, no intent for it is open', async () => {
  const log = BaseLog.create(path, EMPTY);
  log.intends('container', 1, [{ path: 'a', before: null, after: file('1'), agreed: file('1') }], 0);
  log.intends('host', 2, [{ path: 'b', before: null, after: file('1'), agreed: file('1') }], 0);
  log.settled('container', null);
  log.intends('container', 3, [{ path: 'c', before: null, after: file('1'), agreed: file('1') }], 0);
  await log.close();
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.intents.map((intent) => intent.path)).toEqual(['b', 'c']);
});

test('what was about to be created of late is known, in order, also when the log was written anew', async () => {
  const creates = (path: string) => [{ path, before: null, after: file('1') }];
  const log = BaseLog.create(path, EMPTY);
  log.intends('host', 1, creates('long ago'), 1_000);
  log.intends('host', 2, creates('a'), 900_000);
  log.intends('container', 3, creates('b'), 900_001);
  log.intends('host', 4, [...creates('c'), { path: 'a', before: file('1'), after: file('2') }], 900_002);
  const created = {
    host: [
      { at: 900_000, paths: ['a'] },
      { at: 900_002, paths: ['c'] },
    ],
    container: [{ at: 900_001, paths: ['b'] }],
  };
  await log.close();
  const first = await load();
  expect(first.log.created).toEqual(created);
  first.log.rewrite(first.base);
  await first.log.close();
  const second = await load();
  await second.log.close();
  expect(second.log.created).toEqual(created);
});

describe('a torn end', () => {
  test('at every byte of the last record: the records before it count, and the log goes on', async () => {
    const log = BaseLog.create(path, tree({ first: '1' }));
    await log.durable();
    const { size: from } = await stat(path);
    log.moved([['last', file('2')]]);
    await log.close();
    const whole = await readFile(path);
    for (let end = from; end < whole.length; end++) {
      await writeFile(path, whole.subarray(0, end));
      const torn = await load();
      expect(torn.base).toEqual(tree({ first: '1' }));
      torn.log.moved([['later', file('3')]]);
      await torn.log.close();
      const next = await load();
      await next.log.close();
      expect(next.base).toEqual(tree({ first: '1', later: '3' }));
    }
  });

  test('of garbage or zeros', async () => {
    for (const tail of [Buffer.alloc(4096), Buffer.from('deadbeef {"b":[]}\nmore\n')]) {
      await BaseLog.create(path, tree({ first: '1' })).close();
      await appendFile(path, tail);
      const torn = await load();
      await torn.log.close();
      expect(torn.base).toEqual(tree({ first: '1' }));
    }
  });
});

test('damage in the middle loses the base: nothing was ever agreed', async () => {
  const log = BaseLog.create(path, tree({ first: '1' }));
  log.moved([['second', file('2')]]);
  await log.close();
  const data = await readFile(path);
  data[30] = (data[30] ?? 0) ^ 1;
  await writeFile(path, data);
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.base).toEqual(EMPTY);
});

test('a log cut to nothing is a lost base', async () => {
  await BaseLog.create(path, tree({ first: '1' })).close();
  await truncate(path, 0);
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.base).toEqual(EMPTY);
});

test('what outgrew is written anew, and what is gone is still known', async () => {
  const base = tree(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}`, String(n)])));
  const log = BaseLog.create(path, base);
  const all = Array.from(walk(base), ([at, node]): BaseMove => [at, entryOf(node)]);
  expect(log.isOutgrown).toBe(false);
  log.moved([['gone', file('1')]]);
  log.moved([['gone', null]]);
  while (!log.isOutgrown) log.moved(all);
  const { size } = await stat(path);
  log.rewrite(base);
  log.moved([['after', file('1')]]);
  await log.close();
  expect((await stat(path)).size).toBeLessThan(size / 20);
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.base.children.size).toBe(101);
  expect(loaded.log.known.children.get('gone')).toEqual(file('1'));
  expect(loaded.log.isOutgrown).toBe(false);
});

test('when a container was attached last comes back, from a log that was written anew as well', async () => {
  const log = BaseLog.create(path, EMPTY);
  expect(log.attachedAt).toBeNull();
  log.attached(1);
  log.attached(2.5);
  log.rewrite(EMPTY);
  log.moved(MOVES);
  await log.close();
  const loaded = await load();
  await loaded.log.close();
  expect(loaded.log.attachedAt).toBe(2.5);
  expect(loaded.base).toEqual(MOVED);
});

test('one sync serves all who wait', async () => {
  const log = BaseLog.create(path, EMPTY);
  const waiting = Array.from({ length: 100 }, (_, n) => {
    log.moved([[`f${n}`, file(String(n))]]);
    return log.durable();
  });
  expect(new Set(waiting).size).toBe(2);
  await Promise.all(waiting);
  await log.close();
});
