/**
 * Random work on both sides, with links that break, answers that get lost and consoles that are killed; at the end both
 * sides are equal and every token that was written is there, not only in the journal, unless a user overwrote or
 * deleted it.
 */
import { rm } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Clock } from '../../../console/engine/sync/clock.ts';
import type { MemoryDisk } from '../../support/memory-endpoint.ts';
import { SyncPair } from '../../support/sync-pair.ts';

/** Fifty times as fast as the clock on the wall. */
const FAST: Clock = {
  now: () => 1_000_000 + performance.now() * 50,
  after: (ms, run) => {
    const timer = setTimeout(run, ms / 50);
    return () => clearTimeout(timer);
  },
};

type Op =
  | { readonly op: 'write' | 'remove' | 'folder'; readonly side: 'host' | 'container'; readonly path: string }
  | { readonly op: 'wait'; readonly turns: number }
  | { readonly op: 'detach' | 'attach' | 'lose-answer' | 'kill' | 'settle' | 'lose-hints' };

const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const side = fc.constantFrom('host' as const, 'container' as const);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ op: fc.constant('write' as const), side, path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('remove' as const, 'folder' as const), side, path }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 12 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom(
        'detach' as const,
        'attach' as const,
        'lose-answer' as const,
        'settle' as const,
        'lose-hints' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('kill' as const) }) },
);

const turns = fc.integer({ min: 0, max: 8 });

class Ledger {
  #next = 0;
  readonly alive = new Set<string>();

  write(disk: MemoryDisk, at: string): void {
    this.remove(disk, at);
    // A file on the way gives way to the folder: its owner overwrote it as well.
    const parts = at.split('/');
    for (let depth = 1; depth < parts.length; depth++) this.#dies(disk.text(parts.slice(0, depth).join('/')));
    const token = `token ${this.#next++}`;
    this.alive.add(token);
    disk.write(at, token);
  }

  remove(disk: MemoryDisk, at: string): void {
    for (const each of disk.list()) if (each === at || each.startsWith(`${at}/`)) this.#dies(disk.text(each));
    disk.remove(at);
  }

  #dies(token: string | null): void {
    if (token !== null) this.alive.delete(token);
  }
}

/** How many turns of the event loop each side takes for a change. */
type Pace = Readonly<Record<'host' | 'container', number>>;

function slow(pair: SyncPair, pace: Pace): void {
  for (const [end, turns] of [
    [pair.hostEnd, pace.host],
    [pair.containerEnd, pace.container],
  ] as const) {
    end.fault = async () => {
      for (let n = 0; n < turns; n++) await new Promise(setImmediate);
      return undefined;
    };
  }
}

async function run(ops: readonly Op[], pace: Pace): Promise<void> {
  const ledger = new Ledger();
  const options = { clock: FAST, policy: 'union', brakes: {} } as const;
  let pair = await SyncPair.open({}, options);
  const folders = [pair.stateDir];
  try {
    await pair.session.quiet();
    slow(pair, pace);
    let attached = true;
    const attach = async () => {
      if (!attached) await pair.attach();
      slow(pair, pace);
      attached = true;
    };
    for (const each of ops) {
      switch (each.op) {
        case 'write':
          ledger.write(pair[each.side], each.path);
          break;
        case 'remove':
          ledger.remove(pair[each.side], each.path);
          break;
        case 'folder':
          if (pair[each.side].items?.get(each.path) === undefined && !insideFile(pair[each.side], each.path)) {
            pair[each.side].put(each.path, { kind: 'dir' });
          }
          break;
        case 'wait':
          for (let n = 0; n < each.turns; n++) await new Promise(setImmediate);
          break;
        case 'detach':
          if (attached) pair.session.detachContainer();
          attached = false;
          break;
        case 'attach':
          await attach();
          break;
        case 'lose-answer':
          pair.containerEnd.beforeAnswer = () => {
            throw new Error('the answer is lost');
          };
          if (attached) pair.session.detachContainer();
          attached = false;
          break;
        case 'lose-hints':
          pair.containerEnd.loseHints();
          break;
        case 'settle':
          await attach();
          await pair.session.settleOnce();
          break;
        case 'kill': {
          const copy = await pair.killed();
          folders.push(copy);
          await pair.session.close();
          pair = await SyncPair.on(pair, copy, options);
          slow(pair, pace);
          attached = true;
          break;
        }
      }
    }
    await attach();
    await pair.session.settleOnce();
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual(pair.container.all());
    const there = new Set(Object.values(pair.host.all()));
    const lost = [...ledger.alive].filter((token) => !there.has(token));
    expect(lost).toEqual([]);
  } finally {
    await pair.session.close();
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  }
}

function insideFile(disk: MemoryDisk, at: string): boolean {
  const parts = at.split('/');
  return parts.some((_, depth) => disk.text(parts.slice(0, depth).join('/')) !== null);
}

test('both sides become equal and nothing is lost', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { maxLength: 40 }), fc.record({ host: turns, container: turns }), run),
    { numRuns: 150 },
  );
});
