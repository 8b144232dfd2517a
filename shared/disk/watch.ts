/** From hints to looks: what a turn of the event loop brings is looked at together, at once. */
import { join } from '../core/sync/tree.ts';
import type { Path } from '../core/sync/tree.ts';
import type { HintTarget } from './hints/source.ts';
import { pathOf } from './known.ts';
import type { SeenDir } from './known.ts';

/** More hints than this between two looks: the kernel's queue may have run over, which nobody tells us. */
const MAX_HINTS = 5000;
/**
 * A stall of the event loop beyond this many milliseconds, and more hints than this after it: likewise. A stall alone
 * loses nothing: the queue holds 16,384, and on a busy machine a look at everything for each would bring the next one.
 */
const MAX_STALL = 100;
const STALL_HINTS = 500;
/**
 * How long the loop stood still is no longer than it was at work since the last hints, or since this many milliseconds
 * at the most: each wake of a process that waits is paid for.
 */
const TICK = 2_000;

export interface HintReceiver extends HintTarget {
  close(): void;
}

export function receiveHints(look: (paths: Iterable<Path>) => void, lost: (reason: string) => void): HintReceiver {
  let dirty = new Set<Path>();
  let hints = 0;
  let scheduled: NodeJS.Immediate | null = null;
  let before = workedUntilNow();

  const flush = () => {
    scheduled = null;
    const paths = dirty;
    const now = workedUntilNow();
    const stall = now - before;
    before = now;
    if (hints > MAX_HINTS) lost(`${hints} changes at once`);
    else if (hints > STALL_HINTS && stall > MAX_STALL) lost(`this process stood still for ${Math.round(stall)} ms`);
    dirty = new Set();
    hints = 0;
    look(paths);
  };
  const hintPath = (path: Path) => {
    hints += 1;
    dirty.add(path);
    scheduled ??= setImmediate(flush);
  };
  const ticker = setInterval(() => (before = workedUntilNow()), TICK);
  ticker.unref();

  return {
    hint: (dir: SeenDir, name) => {
      if (dir.attached) hintPath(name === null ? pathOf(dir) : join(pathOf(dir), name));
    },
    hintPath,
    lost,
    close: () => {
      clearInterval(ticker);
      if (scheduled !== null) clearImmediate(scheduled);
    },
  };
}

/** Milliseconds in which this thread's event loop did not wait. */
function workedUntilNow(): number {
  return performance.eventLoopUtilization().active;
}
