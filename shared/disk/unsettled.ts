/** Paths that must be looked at again at a certain time, hint or no hint, and why. */
import type { Path } from '../core/sync/tree.ts';

/**
 * `empty` seen empty, perhaps about to be filled · `moving` it changed while it was read · `reading` a large file
 * is being read · `fresh` read well, but within the clock tick of its time stamp · `own` likewise, and we wrote it ·
 * `again` told as busy or as a prefix, and still moving. The first three keep a scan from ending.
 */
export type Why = 'empty' | 'moving' | 'reading' | 'fresh' | 'own' | 'again';

export interface Wait {
  readonly why: Why;
  /** Monotonic, ms: when this began. */
  readonly since: number;
  /** Monotonic, ms. */
  readonly due: number;
  /** Bytes when this began. */
  readonly size: number;
  /** Of an `empty` one. */
  readonly stamp?: string;
}

export class Unsettled {
  readonly #waits = new Map<Path, Wait>();
  readonly #look: (paths: readonly Path[]) => void;
  #timer: NodeJS.Timeout | null = null;
  #timerDue = Infinity;
  #blocking = 0;
  #quiet: (() => void)[] = [];

  constructor(look: (paths: readonly Path[]) => void) {
    this.#look = look;
  }

  get(path: Path): Wait | undefined {
    return this.#waits.get(path);
  }

  put(path: Path, wait: Wait): void {
    this.#count(this.#waits.get(path), -1);
    this.#count(wait, 1);
    this.#waits.set(path, wait);
    this.#arm(wait.due);
    this.#settle();
  }

  delete(path: Path): void {
    const wait = this.#waits.get(path);
    if (wait === undefined) return;
    this.#count(wait, -1);
    this.#waits.delete(path);
    this.#settle();
  }

  /** Resolves when nothing is left that keeps a scan from ending. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet.push(resolve);
      this.#settle();
    });
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerDue = -Infinity;
    this.#waits.clear();
    this.#blocking = 0;
    this.#settle();
  }

  #count(wait: Wait | undefined, by: number): void {
    if (wait !== undefined && ['empty', 'moving', 'reading'].includes(wait.why)) this.#blocking += by;
  }

  #settle(): void {
    if (this.#blocking > 0) return;
    const quiet = this.#quiet;
    this.#quiet = [];
    for (const resolve of quiet) resolve();
  }

  #arm(due: number): void {
    if (due >= this.#timerDue) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerDue = due;
    this.#timer = setTimeout(() => this.#fire(), Math.max(1, Math.ceil(due - performance.now())));
  }

  #fire(): void {
    this.#timerDue = Infinity;
    const now = performance.now();
    const due: [Path, Wait][] = [];
    let next = Infinity;
    for (const [path, wait] of this.#waits) {
      if (wait.due <= now) due.push([path, wait]);
      else next = Math.min(next, wait.due);
    }
    if (due.length > 0) this.#look(due.map(([path]) => path));
    // Whatever is still not settled was put again by the look; the rest is over, or its folder is gone.
    for (const [path, wait] of due) if (this.#waits.get(path) === wait) this.delete(path);
    if (next < Infinity) this.#arm(next);
  }
}
