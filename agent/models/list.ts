/** What lies in `azureml-models`. */
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MODELS, type ModelEntry, type ModelList } from '../../shared/core/models.ts';
import { MAX_MODEL_ENTRIES } from '../../shared/core/protocol.ts';
import { byCodeUnits } from '../../shared/core/sync/tree.ts';
import { codeOf } from '../../shared/disk/errno.ts';
import { segmentsOf, staysInside } from '../../shared/disk/path.ts';
import { isExec, stampOf } from '../../shared/disk/reading.ts';
import { openRoot, pinningWalker, type Folder } from '../../shared/disk/walk.ts';
import { isWithin } from '../service/root.ts';

/** Entries that are looked at before others have their turn. */
const AT_ONCE = 200;

/** The nearest one at or above the app's folder: with mounted code the models lie beside it. Null: the app lies in it. */
export function modelsFolder(root: string): string | null {
  for (let dir = root; ; dir = dirname(dir)) {
    const folder = join(dir, MODELS);
    if (isWithin(root, folder)) return null;
    if (existsSync(folder)) return folder;
    if (dirname(dir) === dir) return join(root, MODELS);
  }
}

/** Never rejects: what cannot be read is an entry that says so. */
export async function listModels(folder: string | null): Promise<ModelList> {
  const entries: ModelEntry[] = [];
  const root = folder === null ? null : openRoot(pinningWalker, folder);
  if (root === null) return { folder, entries, whole: true };
  const ahead: { readonly dir: Folder; readonly path: string }[] = [{ dir: root, path: '' }];
  let whole = true;
  try {
    for (let next = ahead.pop(); next !== undefined && whole; next = ahead.pop()) {
      const { dir, path } = next;
      try {
        for (const name of readdirSync(dir.here)) {
          if (entries.length === MAX_MODEL_ENTRIES) whole = false;
          if (!whole) break;
          const entry = entryAt(dir, name, path === '' ? name : `${path}/${name}`);
          entries.push(entry);
          if (entry.kind === 'dir') enter(dir, name, entry.path);
          if (entries.length % AT_ONCE === 0) await turn();
        }
      } catch (error) {
        entries.push(left(path, error));
      } finally {
        dir.close();
      }
    }
  } finally {
    for (const { dir } of ahead) dir.close();
  }
  return { folder, entries: entries.sort((a, b) => byCodeUnits(a.path, b.path)), whole };

  function enter(above: Folder, name: string, path: string): void {
    try {
      ahead.push({ dir: pinningWalker.enter(above, name), path });
    } catch (error) {
      entries.push(left(path, error));
    }
  }
}

function entryAt(dir: Folder, name: string, path: string): ModelEntry {
  try {
    if (segmentsOf(path) === null) return { kind: 'left', path, reason: 'a name that cannot be told' };
    const stat = lstatSync(dir.at(name), { bigint: true });
    if (stat.isDirectory()) return { kind: 'dir', path };
    if (stat.isFile()) {
      const mtime = Number(stat.mtimeMs);
      return { kind: 'file', path, size: Number(stat.size), mtime, exec: isExec(stat), stamp: stampOf(stat) };
    }
    if (!stat.isSymbolicLink()) return { kind: 'left', path, reason: 'a device, pipe or socket' };
    const target = readlinkSync(dir.at(name));
    return staysInside(path, target)
      ? { kind: 'link', path, target }
      : { kind: 'left', path, reason: `a link that leads out of ${MODELS}` };
  } catch (error) {
    return left(path, error);
  }
}

function left(path: string, error: unknown): ModelEntry {
  if (codeOf(error) === '') throw error;
  return { kind: 'left', path, reason: `it cannot be read (${codeOf(error)})` };
}
