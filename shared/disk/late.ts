/**
 * Files that we replaced or deleted, held open: a program that had one open may still write into it, and its
 * descriptor and ours are the only ways to those bytes.
 *
 * RACE: bytes that arrive after the last look, or while this process is killed before one, are lost with the inode.
 */
import { close, closeSync, fstatSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { ContentMoved } from '../core/sync/endpoint.ts';
import type { Digest, Path } from '../core/sync/tree.ts';
import { SMALL, chunksOf, contentStampOf, readAny } from './reading.ts';

/** Milliseconds after the replacement at which the file is looked at again. */
const LOOKS = [100, 1000, 10_000, 60_000];
/** Descriptors that are held at once; the oldest give way, after a look. */
const MAX_HELD = 384;

interface Held {
  readonly fd: number;
  readonly path: Path;
  readonly since: number;
  stamp: string;
  digest: Digest;
  looks: number;
  /** Its bytes are still to be fetched by `readHeld`, and nowhere else. */
  wanted: boolean;
  readonly quarantine: string | null;
  size: number;
}

/** Saves what was written late into the file that stood at `path` and may wait in quarantine; `fd` stays open. */
export type SaveCopy = (
  path: Path,
  fd: number,
  digest: Digest,
  size: number,
  quarantine: string | null,
) => Promise<void>;

export class LateWrites {
  readonly #save: SaveCopy;
  readonly #failed: (error: unknown) => void;
  readonly #held = new Map<string, Held>();
  #next = 0;
  #timer: NodeJS.Timeout | null = null;
  /** When the timer is due. */
  #due = Infinity;
  #working: Promise<void> = Promise.resolve();

  constructor(save: SaveCopy, failed: (error: unknown) => void) {
    this.#save = save;
    this.#failed = failed;
  }

  /**
   * Takes over the descriptor. `stat` and `digest` are those at which the victim was read, `quarantine` is its name there;
   * `wanted`: it is nowhere else. Returns the handle for `read`.
   */
  hold(
    path: Path,
    fd: number,
    stat: BigIntStats,
    digest: Digest,
    { wanted = false, quarantine = null }: { wanted?: boolean; quarantine?: string | null } = {},
  ): string {
    this.#next += 1;
    const handle = `late-${this.#next}`;
    const size = Number(stat.size);
    this.#held.set(handle, {
      fd,
      path,
      since: performance.now(),
      stamp: contentStampOf(stat),
      digest,
      looks: 0,
      wanted,
      quarantine,
      size,
    });
    // Written between the last look and the rename: seen now, not in 100 ms.
    if (contentStampOf(fstatSync(fd, { bigint: true })) !== contentStampOf(stat))
      void this.#run(() => this.#look(handle));
    if (this.#held.size > MAX_HELD) void this.#run(() => this.#evict());
    this.#arm(performance.now() + (LOOKS[0] ?? 0));
    return handle;
  }

  /** The bytes of a victim as it was replaced. */
  async *read(handle: string): AsyncGenerator<Uint8Array> {
    const held = this.#held.get(handle);
    if (held === undefined) throw new ContentMoved(handle);
    yield* chunksOf(held.fd, held.size);
  }

  release(handles: readonly string[]): void {
    for (const handle of handles) {
      const held = this.#held.get(handle);
      if (held === undefined) continue;
      held.wanted = false;
      this.#drop(handle, held);
    }
  }

  /** Looks at every file that is held. */
  async lookAtAll(): Promise<void> {
    await this.#run(async () => {
      for (const handle of [...this.#held.keys()]) await this.#look(handle);
    });
  }

  async close(): Promise<void> {
    await this.lookAtAll();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const held of this.#held.values()) closeSync(held.fd);
    this.#held.clear();
  }

  #run(work: () => Promise<void>): Promise<void> {
    this.#working = this.#working.then(work).catch(this.#failed);
    return this.#working;
  }

  async #look(handle: string): Promise<void> {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    const stat = fstatSync(held.fd, { bigint: true });
    // A mapped file's time stamp lags behind its content: small ones are read whatever it says.
    if (contentStampOf(stat) === held.stamp && stat.size > SMALL) return;
    const reading = await readAny(held.fd);
    if (reading === null) return; // Being written: the next look, or the one at the end, finds it.
    if (reading.digest !== held.digest) {
      try {
        await this.#save(held.path, held.fd, reading.digest, Number(reading.stat.size), held.quarantine);
      } catch (error) {
        this.#failed(error);
        return; // The next look tries again.
      }
    }
    held.stamp = contentStampOf(reading.stat);
    held.digest = reading.digest;
  }

  async #evict(): Promise<void> {
    for (const [handle, held] of this.#held) {
      if (this.#held.size <= MAX_HELD) return;
      if (held.wanted) continue;
      await this.#look(handle);
      held.looks = LOOKS.length;
      this.#drop(handle, held);
    }
  }

  #drop(handle: string, held: Held): void {
    if (held.wanted || held.looks < LOOKS.length || !this.#held.has(handle)) return;
    this.#held.delete(handle);
    // Off the event loop: it is the last hold on the file, and the file system frees its blocks now (0.2 ms and more).
    close(held.fd, () => undefined);
  }

  /** One timer, for the earliest. */
  #arm(due: number): void {
    if (due >= this.#due) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.#run(() => this.#lookAtDue()), Math.max(1, due - performance.now()));
    this.#timer.unref();
  }

  async #lookAtDue(): Promise<void> {
    const now = performance.now();
    this.#due = Infinity;
    for (const [handle, held] of [...this.#held]) {
      if (dueOf(held) > now) continue;
      await this.#look(handle);
      held.looks += 1;
      this.#drop(handle, held);
    }
    for (const held of this.#held.values()) this.#arm(dueOf(held));
  }
}

function dueOf(held: Held): number {
  const after = LOOKS[held.looks];
  return after === undefined ? Infinity : held.since + after;
}
