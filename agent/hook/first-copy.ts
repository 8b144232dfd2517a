/**
 * The sources as they lie on disk when the hook comes into a service that runs. Nobody knows which bytes its workers have
 * loaded; these are the nearest, and until a candidate is accepted a worker that has to be replaced boots from them. So
 * a save that was refused is not served because a worker died.
 */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { SKIPPED } from '../service/bytecode.ts';

/** More than any project's own code; a root that holds more holds something else, and is read from the disk. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_FOLDERS = 2_000;

export type Sources = Readonly<Record<string, string>>;

/** Path → base64 of all sources below; null when it is too much, or can't be read. */
export async function readSources(root: string): Promise<Sources | null> {
  const paths: string[] = [];
  try {
    const folders = [await realpath(root)];
    for (const folder of folders) {
      if (folders.length > MAX_FOLDERS) return null;
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && !SKIPPED.has(entry.name)) folders.push(path);
        if (entry.name.endsWith('.py') && (entry.isFile() || entry.isSymbolicLink())) paths.push(path);
      }
    }
  } catch {
    return null;
  }
  return readFiles(paths);
}

/** Path → base64; null when it is too much, or one can't be read: a part would be another program. */
export async function readFiles(paths: readonly string[]): Promise<Sources | null> {
  const files: Record<string, string> = {};
  let bytes = 0;
  try {
    for (const path of paths) {
      const data = await readFile(path);
      bytes += data.length;
      if (bytes > MAX_BYTES) return null;
      files[path] = data.toString('base64');
    }
    return files;
  } catch {
    return null;
  }
}
