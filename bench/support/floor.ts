/** The least that any synchroniser must do: inotify, read, write beside, fsync, rename. */
import { watch, type FSWatcher } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

export function startFloor(from: string, to: string): FSWatcher {
  const busy = new Set<string>();
  const copy = async (name: string) => {
    if (busy.has(name)) return;
    busy.add(name);
    try {
      const bytes = await readFile(join(from, name));
      if (bytes.byteLength === 0) return; // truncated, not yet written
      const temp = join(to, `.floor-${name}`);
      const file = await open(temp, 'w');
      await file.writeFile(bytes);
      await file.sync();
      await file.close();
      await rename(temp, join(to, name));
    } finally {
      busy.delete(name);
    }
  };
  return watch(from, (_event, name) => {
    if (name !== null && !name.startsWith('.floor-')) void copy(name);
  });
}
