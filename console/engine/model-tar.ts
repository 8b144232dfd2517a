/** A model of this machine, a file or a folder, as a tar of one entry. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { DrydockError } from '../../shared/core/errors.ts';

/** What tools leave beside a model's files: scripts load every file that they find. */
const STRAY = new Set(['.DS_Store', '.ipynb_checkpoints', '__pycache__', '.git']);

export interface ModelFiles {
  /** Parents first; links are followed. */
  readonly entries: readonly ModelEntry[];
  readonly bytes: number;
}

interface ModelEntry {
  readonly from: string;
  readonly name: string;
  readonly folder: boolean;
  readonly size: number;
  readonly mode: number;
}

export async function listModel(path: string): Promise<ModelFiles> {
  const entries: ModelEntry[] = [];
  const add = async (from: string, name: string): Promise<void> => {
    const found = await stat(from).catch((cause: unknown) => {
      throw new DrydockError('io', `${from} cannot be read.`, {
        hint: 'Check the path, or where the link leads.',
        cause,
      });
    });
    const folder = found.isDirectory();
    if (!folder && !found.isFile()) return; // a socket or a device is no part of a model
    entries.push({ from, name, folder, size: folder ? 0 : found.size, mode: found.mode & 0o777 });
    if (!folder) return;
    for (const child of (await readdir(from)).sort()) {
      if (!STRAY.has(child)) await add(join(from, child), `${name}/${child}`);
    }
  };
  await add(path, basename(path));
  return { entries, bytes: entries.reduce((sum, { size }) => sum + size, 0) };
}

/** `onBytes` hears of each piece. A file that grew or shrank since it was listed breaks the stream. */
export async function* modelTar({ entries }: ModelFiles, onBytes: (bytes: number) => void): AsyncIterable<Uint8Array> {
  const tar = pack();
  const fill = async () => {
    for (const { from, name, folder, size, mode } of entries) {
      if (folder) tar.entry({ name, mode, type: 'directory' });
      else if (size === 0) tar.entry({ name, mode }, '');
      else
        await pipeline(
          createReadStream(from).on('data', ({ length }) => onBytes(length)),
          tar.entry({ name, mode, size }),
        );
    }
    tar.finalize();
  };
  fill().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  for await (const chunk of tar) yield chunk as Uint8Array;
}
