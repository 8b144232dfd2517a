/** Making what was written durable: one by one, or all of the file system at once where many wait. */
import { fsync as fsyncCallback, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { manyAtOnce } from '../core/many.ts';
import { loadLibc } from '../native/libc.ts';

export const fsync = promisify(fsyncCallback);

/** Everything that was written to the file system of an open file is durable when it resolves. */
export type SyncAll = (fd: number) => Promise<void>;

/** From so many on, one syncfs(2) takes less than a tenth of their fsyncs, each of which commits the journal. */
const MANY = 16;
/** Descriptors that are synced at once: those that wait together share one commit of the file system's journal. */
const AT_ONCE = 16;
/** Milliseconds: what takes longer has written what others have made … */
const TOO_LONG = 500;
/** … and is left alone for so long. */
const BUSY = 60_000;

/**
 * Magic numbers of file systems (statfs(2), linux/magic.h) in which syncfs does what an fsync of each file does. FUSE
 * does not tell its daemon of it, network file systems may not tell their server.
 */
const WHOLE: ReadonlySet<number> = new Set([
  0xef53, // ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
]);

export class Syncer {
  readonly #all: SyncAll | null;
  #busyUntil = -Infinity;

  constructor(all: SyncAll | null) {
    this.#all = all;
  }

  /** They lie on one file system. Tells of each that could not be made durable. */
  async sync<T>(
    wanted: readonly T[],
    fdOf: (one: T) => number,
    failed: (one: T, error: unknown) => void,
  ): Promise<void> {
    const [first] = wanted;
    if (first === undefined || (wanted.length >= MANY && (await this.#syncAll(fdOf(first))))) return;
    await manyAtOnce(AT_ONCE, wanted, (one) => fsync(fdOf(one)).catch((error: unknown) => failed(one, error)));
  }

  async #syncAll(fd: number): Promise<boolean> {
    const from = performance.now();
    if (this.#all === null || from < this.#busyUntil || !WHOLE.has(statfsSync(`/proc/self/fd/${fd}`).type))
      return false;
    try {
      await this.#all(fd);
    } catch {
      return false; // one by one tells which
    }
    const now = performance.now();
    if (now - from > TOO_LONG) this.#busyUntil = now + BUSY;
    return true;
  }
}

/** Null where the system has no such call, or one that says nothing of errors: Linux before 5.8 (syncfs(2)). */
export async function loadSyncAll(): Promise<SyncAll | null> {
  const libc = await loadLibc();
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (libc === null || major < 5 || (major === 5 && minor < 8)) return null;
  return libc.later('int syncfs(int fd)');
}
