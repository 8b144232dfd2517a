/** Which folder of this machine belongs to the container's app: SYNC rules of the first attach. */
import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Digest } from '../../shared/core/sync/tree.ts';
import type { Mount } from '../place/place.ts';

export type HostFolder =
  /** Edits travel between this folder and the root. */
  | { readonly mode: 'sync'; readonly dir: string }
  /** The container sees this very folder: nothing to synchronise, only to watch and reload. */
  | { readonly mode: 'bind'; readonly dir: string };

export interface FolderSearch {
  /** `--dir`, absolute. */
  readonly dir: string | undefined;
  /** Where the user stands. */
  readonly cwd: string;
  readonly root: string;
  readonly mounts: readonly Mount[];
  /** The entry script relative to the root, and what it holds; null when the service has none. */
  readonly entry: { readonly path: string; readonly digest: Digest } | null;
}

/** Null when no folder proves itself: then the user must name one. */
export async function findHostFolder(search: FolderSearch): Promise<HostFolder | null> {
  if (search.dir !== undefined) return folderFor(search, await existingFolder(search.dir));
  const bound = await boundFolder(search);
  if (bound !== null) return bound;
  if (search.entry === null) return null;
  const home = await realpath(homedir()).catch(() => homedir());
  const cwd = await realpath(search.cwd);
  const dir = await searchEntry(cwd, search.entry);
  // A home folder or a whole disk is never taken without a question.
  if (dir === null || dir === home || dir === '/') return null;
  return { mode: 'sync', dir };
}

/** A folder that is decided already, for this container. */
export async function folderFor(container: Pick<FolderSearch, 'mounts' | 'root'>, dir: string): Promise<HostFolder> {
  const bound = await boundFolder(container);
  // The same folder named by hand is still the same folder: synchronising it with itself would be absurd.
  if (bound !== null && (await sameFolder(bound.dir, dir))) return bound;
  return { mode: 'sync', dir };
}

async function boundFolder({ mounts, root }: Pick<FolderSearch, 'mounts' | 'root'>): Promise<HostFolder | null> {
  for (const { type, source, destination } of mounts) {
    if (type !== 'bind') continue;
    const below = relative(destination, root);
    if (below.startsWith('..')) continue;
    const dir = join(source, below);
    // On a remote engine the source is a path of another machine.
    if (await isFolder(dir)) return { mode: 'bind', dir };
  }
  return null;
}

const SKIPPED = new Set(['node_modules', '.git', '.venv', 'venv', '__pycache__', 'azureml-models', '.drydock']);
const DEPTH = 4;
/** Folders looked into before the search gives up: a home folder must not be walked. */
const BREADTH = 2_000;

async function searchEntry(cwd: string, entry: { path: string; digest: Digest }): Promise<string | null> {
  let folders = [cwd];
  let seen = 0;
  for (let depth = 0; depth <= DEPTH && folders.length > 0; depth++) {
    const deeper: string[] = [];
    for (const folder of folders) {
      if (++seen > BREADTH) return null;
      if (await holds(join(folder, entry.path), entry.digest)) return folder;
      deeper.push(...(await subfolders(folder)));
    }
    folders = deeper;
  }
  return null;
}

async function holds(file: string, digest: Digest): Promise<boolean> {
  try {
    return (
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex') === digest
    );
  } catch {
    return false;
  }
}

async function subfolders(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !SKIPPED.has(entry.name))
      .map((entry) => join(folder, entry.name))
      .sort();
  } catch {
    return [];
  }
}

async function existingFolder(dir: string): Promise<string> {
  const path = resolve(dir);
  if (await isFolder(path)) return realpath(path);
  throw new DrydockError('usage', `--dir ${dir}: there is no such folder.`, {
    hint: `Create it (mkdir -p ${path}), or name the folder that holds score.py.`,
  });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function sameFolder(a: string, b: string): Promise<boolean> {
  const look = (path: string) => stat(path).catch(() => null);
  const [one, other] = await Promise.all([look(a), look(b)]);
  return one !== null && other !== null && one.dev === other.dev && one.ino === other.ino;
}
