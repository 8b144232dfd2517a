/** From hints to looks: what a turn of the event loop brings is looked at together, at once. */
import { join } from '../core/sync/tree.ts';
import type { Path } from '../core/sync/tree.ts';
import type { HintTarget } from './hints/source.ts';
import { pathOf } from './known.ts';
import type { SeenDir } from './known.ts';

/** More hints than this between two looks: the kernel's queue may have run over, which nobody tells us. */
const MAX_HINTS = 5000;
/** A stall of the event loop beyond this many milliseconds: likewise. */
const MAX_STALL = 100;
const STALL_LOOK = 100;

export interface HintReceiver extends HintTarget {
  close(): void;
}

export function receiveHints(look: (paths: Iterable<Path>) => void, lost: (reason: string) => void): HintReceiver {
  let dirty = new Set<Path>();
  let hints = 0;
  let scheduled: NodeJS.Immediate | null = null;
  let last = performance.now();

  const flush = () => {
    scheduled = null;
    const paths = dirty;
    if (hints > MAX_HINTS) lost(`${hints} changes at once`);
    dirty = new Set();
    hints = 0;
    look(paths);
  };
  const hintPath = (path: Path) => {
    hints += 1;
    dirty.add(path);
    scheduled ??= setImmediate(flush);
  };
  const ticker = setInterval(() => {
    const now = performance.now();
    const stall = now - last - STALL_LOOK;
    last = now;
    if (stall > MAX_STALL) lost(`this process stood still for ${Math.round(stall)} ms`);
  }, STALL_LOOK);
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
