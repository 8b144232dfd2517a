/** The least that any synchroniser must do: inotify, read, write beside, fsync, rename. */
import { watch, type FSWatcher } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

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
