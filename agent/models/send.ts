/**
 * A file of `azureml-models` to the console, which may have the beginning of it already. In small pieces, each a turn of
 * the event loop of its own, so that an edit or a key press never waits for more than one to be hashed.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { DrydockError } from '../../shared/core/errors.ts';
import { MAX_CHUNK, type StreamOpened, type StreamParams } from '../../shared/core/protocol.ts';
import { codeOf } from '../../shared/disk/errno.ts';
import { segmentsOf } from '../../shared/disk/path.ts';
import { chunksOf, openFile, stampOf } from '../../shared/disk/reading.ts';
import { enterAll, openRoot, pinningWalker } from '../../shared/disk/walk.ts';
import { drained } from '../../shared/link/file-stream.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';

type Wanted = StreamParams<'modelFile'>;

export async function sendModelFile(
  wanted: Wanted,
  folder: string | null,
  stream: MuxStream,
): Promise<StreamOpened<'modelFile'>> {
  if (folder === null || wanted.folder !== folder) return none(stream);
  const fd = open(folder, wanted.path);
  if (fd === null) return none(stream);
  try {
    if (!isAsListed(fd, wanted)) return none(stream, fd);
    const hasher = await hashPrefix(fd, wanted, stream);
    const from = hasher === null ? 0 : wanted.from;
    // After the answer, so that no byte goes before it.
    setImmediate(() => void send(fd, wanted, from, hasher ?? createHash('sha256'), stream));
    return { from };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function none(stream: MuxStream, fd: number | null = null): StreamOpened<'modelFile'> {
  if (fd !== null) closeSync(fd);
  setImmediate(() => stream.finish({ digest: null }));
  return { from: null };
}

function open(folder: string, path: string): number | null {
  const names = segmentsOf(path);
  if (names === null) throw new DrydockError('protocol-violation', `A path ${JSON.stringify(path)}.`);
  try {
    const root = openRoot(pinningWalker, folder);
    if (root === null) return null;
    const parent = enterAll(pinningWalker, root, names.slice(0, -1));
    try {
      return openFile(parent.at(names.at(-1) ?? ''));
    } finally {
      parent.close();
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return null;
  }
}

const isAsListed = (fd: number, { stamp }: Wanted): boolean => stampOf(fstatSync(fd, { bigint: true })) === stamp;

/** What has taken in the beginning that the console has; null when that is not this file's. */
async function hashPrefix(fd: number, { from, prefix }: Wanted, stream: MuxStream): Promise<Hash | null> {
  const hasher = createHash('sha256');
  let seen = 0;
  for await (const chunk of chunksOf(fd, from, 0, MAX_CHUNK)) {
    if (stream.destroyed) return null;
    hasher.update(chunk);
    seen += chunk.length;
  }
  return seen === from && hasher.copy().digest('hex') === prefix ? hasher : null;
}

async function send(fd: number, wanted: Wanted, from: number, hasher: Hash, stream: MuxStream): Promise<void> {
  try {
    for await (const chunk of chunksOf(fd, fstatSync(fd).size, from, MAX_CHUNK)) {
      hasher.update(chunk);
      if (!stream.write(chunk)) await drained(stream);
      if (stream.destroyed) return;
    }
    stream.finish({ digest: isAsListed(fd, wanted) ? hasher.digest('hex') : null });
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  } finally {
    closeSync(fd);
  }
}
