/** Writing content into a file of the staging folder. */
import { closeSync, constants, openSync, statfsSync, unlinkSync, write as writeCallback, writeSync } from 'node:fs';
import { createHash, type Hash } from 'node:crypto';
import { promisify } from 'node:util';
import { ContentMoved } from '../core/sync/endpoint.ts';
import type { Digest } from '../core/sync/tree.ts';
import { Failed } from './hands.ts';
import { digestOf } from './reading.ts';
import type { Folder } from './walk.ts';

const write = promisify(writeCallback);

/** Bytes that a sync leaves free on the disk, or a twentieth of it where that is less. */
const FREE_FLOOR = 64 * 1024 * 1024;
/** Chunks up to this are written without leaving the event loop. Bytes. */
const AT_ONCE = 64 * 1024;

/** Bytes that may be taken of the folder’s disk; negative where less than the floor is free. */
export function freeIn(folder: Folder): number {
  const { bavail, blocks, bsize } = statfsSync(folder.here);
  return bavail * bsize - Math.min(FREE_FLOOR, (blocks * bsize) / 20);
}

/** Throws Failed when `size` more bytes would leave too little. */
export function roomFor(folder: Folder, size: number): void {
  if (freeIn(folder) < size) throw new Failed('no-space', 'too little space is left on the disk');
}

/** What a file is to hold. */
interface Announced {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Writes exactly the announced bytes; returns an open descriptor, still to be synced. On failure nothing is left. Throws
 * Failed when the other side's content is not, or no longer, what was announced. Bytes that are there already are
 * written without leaving the event loop: a third of the time for a small file.
 */
export async function fill(
  path: string,
  announced: Announced,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<number> {
  if (content instanceof Uint8Array) return fillAtOnce(path, announced, content);
  const fd = create(path);
  try {
    let hasher: Hash | null = null;
    /** Of a file that comes in one chunk, as most do: made in half the time. */
    let whole: Digest | null = null;
    let size = 0;
    for await (const chunk of content) {
      if (chunk.length === 0) continue;
      size += chunk.length;
      if (size > announced.size) break;
      if (chunk.length === announced.size) whole = digestOf(chunk);
      else (hasher ??= createHash('sha256')).update(chunk);
      await writeAll(fd, chunk);
    }
    const digest = whole ?? (hasher ?? createHash('sha256')).digest('hex');
    if (size !== announced.size || digest !== announced.digest) throw unannounced();
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    if (error instanceof ContentMoved) throw new Failed('content-moved', error.message, error);
    throw error;
  }
}

function fillAtOnce(path: string, announced: Announced, data: Uint8Array): number {
  if (data.length !== announced.size || digestOf(data) !== announced.digest) throw unannounced();
  const fd = create(path);
  try {
    for (let done = 0; done < data.length;) done += writeSync(fd, data, done, data.length - done);
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    throw error;
  }
}

function create(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
}

function unannounced(): Failed {
  return new Failed('content-moved', 'the content changed on the other side');
}

async function writeAll(fd: number, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    const rest = chunk.length - done;
    if (chunk.length <= AT_ONCE) done += writeSync(fd, chunk, done, rest);
    else done += (await write(fd, chunk, done, rest)).bytesWritten;
  }
}
