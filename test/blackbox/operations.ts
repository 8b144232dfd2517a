/** What a program does in a folder that is synchronised without its knowledge: by a seed, the same each time. */
import { otherSide, type Side } from '../../shared/core/sync/tree.ts';
import { World } from '../simulator/world.ts';

export type Operation =
  /** In place: truncated, then written in pieces. */
  | { readonly op: 'write'; readonly path: string; readonly size: number; readonly pieces: number }
  /** Written beside it and renamed over it; `old`: with a time stamp of long ago, as an archive's files have. */
  | { readonly op: 'over'; readonly path: string; readonly size: number; readonly old: boolean }
  | { readonly op: 'append' | 'remove' | 'folder' | 'file'; readonly path: string }
  /** Some bytes in place, the size as before; `old`: the time stamp is put back. */
  | { readonly op: 'patch'; readonly path: string; readonly old: boolean }
  | { readonly op: 'move'; readonly from: string; readonly to: string }
  | { readonly op: 'link'; readonly path: string; readonly target: string }
  | { readonly op: 'mode'; readonly path: string; readonly exec: boolean }
  /** Opened now, written into by a `late`, when the other side's version may stand there. */
  | { readonly op: 'hold'; readonly path: string }
  | { readonly op: 'late' }
  /** Some conflict copies have been seen to, and go. */
  | { readonly op: 'settle' }
  | { readonly op: 'pause'; readonly ms: number }
  /** Waits until what the other side did last has arrived. */
  | { readonly op: 'meet' };

/** What not every synchroniser says that it can do. */
export interface Traits {
  /** A descriptor is written into after its file was replaced. */
  readonly late: boolean;
  /** Another content with the size and the time stamp of the one before. */
  readonly old: boolean;
  /** Names as long as the file system allows, which leave no room for a mark. */
  readonly long: boolean;
}

export const EVERYTHING: Traits = { late: true, old: true, long: true };

const FOLDERS = ['', 'lib/', 'lib/deep/', 'a folder/', 'two\nlines/', '🐍/', 'é/'];
const NAMES = ['score.py', 'data.csv', 'model.bin', 'run', 'lib', 'new\nline 🐳.txt', `${'long'.repeat(63)}.py`];
const FILES = FOLDERS.flatMap((folder) => NAMES.map((name) => folder + name));
/** Files that programs of one side keep open, and those of the other side replace. */
const HELD: Readonly<Record<Side, readonly string[]>> = {
  host: ['held/host.log', 'held/host.db'],
  container: ['held/container.log', 'held/container.db'],
};
const MOVABLE = FOLDERS.filter((folder) => folder !== '').map((folder) => folder.slice(0, -1));
/** A few sizes, so that the next content often has the size of the last. Bytes. */
const SIZES = [0, 0, 40, 40, 40, 3_000, 3_000, 70_000];
const BIG = [100_000, 300_000, 1_200_000];

export function* operations(seed: number, side: Side, count: number, traits: Traits): Generator<Operation> {
  // Both sides have the same bursts on the same few files, and each its own operations in them.
  const both = new World(seed);
  const files = traits.long ? FILES : FILES.filter((path) => !path.includes('longlong'));
  const own = new World(seed + (side === 'host' ? 0x10000 : 0x20000));
  let held = 0;
  /** Of what is held: opened before the programs last met. */
  let due = 0;
  for (let done = 0; done < count;) {
    const length = Math.min(both.int(4, 40), count - done);
    const hot = [both.pick(files), both.pick(files), both.pick(files)];
    // In a storm both sides work on the same two or three files, as fast as they are synchronised.
    const storm = both.chance(0.25);
    for (let n = 0; n < length; n++, done++) {
      if (storm) yield { op: 'pause', ms: own.int(0, 12) };
      if (due > 0 && own.chance(0.2)) {
        due--;
        held--;
        yield { op: 'late' };
      } else if (traits.late && own.chance(0.05)) {
        held++;
        yield { op: 'hold', path: own.pick(HELD[side]) };
      } else if (own.chance(0.1)) {
        yield replace(own, own.pick(HELD[otherSide(side)]));
      } else {
        yield one(own, storm || own.chance(0.5) ? own.pick(hot) : own.pick(files), files, traits);
      }
    }
    for (; due > 0; due--, held--) yield { op: 'late' };
    if (both.chance(0.6)) {
      yield { op: 'pause', ms: both.int(0, 100) };
    } else {
      due = held;
      yield { op: 'meet' };
    }
  }
  for (; held > 0; held--) yield { op: 'late' };
}

function replace(world: World, path: string): Operation {
  const size = world.pick(SIZES);
  return world.pick([
    { op: 'over', path, size, old: false },
    { op: 'over', path, size, old: false },
    { op: 'write', path, size, pieces: 1 },
    { op: 'remove', path },
  ]);
}

function one(world: World, path: string, files: readonly string[], traits: Traits): Operation {
  const old = traits.old && world.chance(0.4);
  const size = path.endsWith('.bin') && world.chance(0.5) ? world.pick(BIG) : world.pick(SIZES);
  const roll = world.int(0, 99);
  if (roll < 20) return { op: 'write', path, size, pieces: world.pick([1, 1, 2, 4]) };
  if (roll < 40) return { op: 'over', path, size, old };
  if (roll < 49) return { op: 'append', path };
  if (roll < 60) return { op: 'patch', path, old };
  if (roll < 68) return { op: 'remove', path };
  if (roll < 70) return { op: 'remove', path: world.pick(MOVABLE) };
  if (roll < 76) return { op: 'move', from: path, to: world.pick(files) };
  if (roll < 80) return { op: 'move', from: world.pick(MOVABLE), to: world.pick([...MOVABLE, 'moved', 'lib/moved']) };
  if (roll < 83) return { op: 'folder', path };
  if (roll < 85) return { op: 'file', path: world.pick(MOVABLE) };
  if (roll < 88) return { op: 'link', path, target: world.pick(NAMES) };
  if (roll < 92) return { op: 'mode', path, exec: world.chance(0.5) };
  if (roll < 98) return { op: 'append', path };
  return { op: 'settle' };
}
