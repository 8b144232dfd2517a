/** The least that any synchroniser must do: inotify, read, write beside, fsync, rename. */
import { watch, type FSWatcher } from 'node:fs';
import { mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export function startFloor(from: string, to: string): FSWatcher {
  /** Names under way, and whether news came meanwhile: a file is told when it is made and again when it is filled. */
  const busy = new Map<string, boolean>();
  const once = async (name: string) => {
    const bytes = await readFile(join(from, name));
    if (bytes.byteLength === 0) return; // truncated, not yet written
    const temp = join(to, `.floor-${name}`);
    const file = await open(temp, 'w');
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await rename(temp, join(to, name));
  };
  const copy = async (name: string) => {
    if (busy.has(name)) {
      busy.set(name, true);
      return;
    }
    do {
      busy.set(name, false);
      await once(name);
    } while (busy.get(name) === true);
    busy.delete(name);
  };
  return watch(from, (_event, name) => {
    if (name !== null && !name.startsWith('.floor-')) void copy(name);
  });
}

/** As many files as there are, written as durably as sync writes them, four at once: beside, fsync, rename; then the folders. */
export async function plainWrites(files: Iterable<readonly [file: string, content: string]>): Promise<void> {
  const ahead = [...files];
  const folders = new Set(ahead.map(([file]) => dirname(file)));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const work = async () => {
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      const [file, content] = next;
      await durably(`${file}.new`, 'w', (handle) => handle.writeFile(content));
      await rename(`${file}.new`, file);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  await Promise.all(Array.from(folders, (folder) => durably(folder, 'r')));
}

async function durably(path: string, how: 'r' | 'w', act?: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, how);
  await act?.(file);
  await file.sync();
  await file.close();
}
