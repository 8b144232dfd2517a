/** The bytes of a file, only if they are those that were announced. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { ContentMoved } from '../core/sync/endpoint.ts';
import type { Digest, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { segmentsOf } from './path.ts';
import { chunksOf, openFile } from './reading.ts';
import { enterAll, openRoot } from './walk.ts';
import type { Walker } from './walk.ts';

/**
 * `size` bytes from the start (a growing log is announced by a prefix); null where no such file is known. The last chunk
 * is held back until the digest is right.
 */
export async function* readFileAs(
  walker: Walker,
  rootPath: string,
  path: Path,
  digest: Digest,
  size: number | null,
): AsyncGenerator<Uint8Array> {
  if (size === null) throw new ContentMoved(`${path} is another file, or none`);
  const fd = open(walker, rootPath, path);
  try {
    const hasher = createHash('sha256');
    let last: Buffer | null = null;
    for await (const chunk of chunksOf(fd, size)) {
      if (last !== null) yield last;
      hasher.update(chunk);
      last = chunk;
    }
    if (hasher.digest('hex') !== digest) throw new ContentMoved(`${path} changed meanwhile`);
    if (last !== null) yield last;
  } finally {
    closeSync(fd);
  }
}

function open(walker: Walker, rootPath: string, path: Path): number {
  const names = segmentsOf(path);
  const root = names === null ? null : openRoot(walker, rootPath);
  if (root === null || names === null) throw new ContentMoved(`${path} is not there`);
  try {
    const parent = enterAll(walker, root, names.slice(0, -1));
    try {
      const fd = openFile(parent.at(names.at(-1) ?? ''));
      try {
        parent.verify();
        const stat = fstatSync(fd, { bigint: true });
        if (stat.isFile() && stat.dev === parent.stat.dev) return fd;
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      closeSync(fd);
      throw new ContentMoved(`${path} is no file any more`);
    } finally {
      parent.close();
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    throw new ContentMoved(`${path} is not there`, { cause: error });
  }
}
