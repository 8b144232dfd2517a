/** Reading a file only as a state that existed: size and times in nanoseconds are the same before and after. */
import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, read as readCallback, readSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import type { Digest } from '../core/sync/tree.ts';

/** Files up to this size are read in one go, without leaving the event loop. Bytes. */
export const SMALL = 1024 * 1024;
const CHUNK = 1024 * 1024;
/** Chunks up to this are read without leaving the event loop, which takes ten times as long. Bytes. */
const AT_ONCE = 64 * 1024;

const read = promisify(readCallback);

/**
 * What tells whether a file was touched: everything that a write, a rename over it or a chmod changes. Joined, not a
 * template: V8 would keep that as a tree of its pieces, four times as large, and one is kept for each file.
 */
export function stampOf(stat: BigIntStats): string {
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
}

/** The same without ctime, which our own link and rename change. */
export function contentStampOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

export function isExec(stat: BigIntStats): boolean {
  return (stat.mode & 0o100n) !== 0n;
}

export function digestOf(data: Uint8Array): Digest {
  return hash('sha256', data, 'hex');
}

/** A regular file, never through a link, never waiting for a fifo's writer. Throws ELOOP, EACCES, ENXIO, ENOENT. */
export function openFile(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY);
}

/** The `size` bytes of a small file; null when it holds more or fewer. */
export function readWhole(fd: number, size: number): Buffer | null {
  const buffer = Buffer.allocUnsafe(size + 1);
  let filled = 0;
  for (;;) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, filled);
    filled += count;
    if (filled > size) return null;
    // There was room for one byte more: a regular file that gives fewer has ended. Each caller proves what it read.
    if (filled === size) return buffer.subarray(0, size);
    if (count === 0) return null;
  }
}

/** The first `size` bytes in chunks of `most`, those before `from` left out; fewer when the file ends before. */
export async function* chunksOf(fd: number, size: number, from = 0, most = CHUNK): AsyncGenerator<Buffer> {
  for (let at = from; at < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(most, size - at));
    const bytesRead =
      buffer.length <= AT_ONCE
        ? readSync(fd, buffer, { position: at })
        : (await read(fd, { buffer, position: at })).bytesRead;
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Digest of the first `size` bytes; null when the file is shorter. */
export async function digestOfFile(fd: number, size: number): Promise<Digest | null> {
  const hasher = createHash('sha256');
  let seen = 0;
  for await (const chunk of chunksOf(fd, size)) {
    hasher.update(chunk);
    seen += chunk.length;
  }
  return seen === size ? hasher.digest('hex') : null;
}

export interface Reading {
  readonly digest: Digest;
  readonly stat: BigIntStats;
  /** The bytes of a small file. */
  readonly data?: Buffer;
}

/**
 * A small file in one go; null when it moved meanwhile. `twice` reads it again and compares: needed while the file's
 * time stamp is younger than the file system's clock tick, since two writes within a tick leave the same stamp.
 */
export function readSmall(fd: number, before: BigIntStats, twice: boolean): Reading | null {
  const data = readWhole(fd, Number(before.size));
  if (data === null) return null;
  const digest = digestOf(data);
  if (twice) {
    const again = readWhole(fd, data.length);
    if (again === null || !again.equals(data)) return null;
  }
  const stat = fstatSync(fd, { bigint: true });
  return stampOf(stat) === stampOf(before) ? { digest, stat, data } : null;
}

/** A file of any size, yielding between chunks; null when it moved meanwhile, unless tests want it anyhow. */
export async function readAny(fd: number, steady = true): Promise<Reading | null> {
  const before = fstatSync(fd, { bigint: true });
  if (before.size <= SMALL) return readSmall(fd, before, false);
  const digest = await digestOfFile(fd, Number(before.size));
  const stat = fstatSync(fd, { bigint: true });
  return digest !== null && (!steady || stampOf(stat) === stampOf(before)) ? { digest, stat } : null;
}

/** Closes the descriptor when `use` is over. */
export async function withFile<T>(fd: number, use: (fd: number) => Promise<T>): Promise<T> {
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}
