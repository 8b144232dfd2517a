/** Which folder of this machine belongs to the container's app: SYNC rules of the first attach. */
import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, parse, posix, resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Digest } from '../../shared/core/sync/tree.ts';
import type { Mount } from '../place/place.ts';
import { isWithin } from './snapshot-mounts.ts';

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
  /** The engine is reached as one of this machine is. */
  readonly isHere: boolean;
  /** Null when the service has none, or it does not matter. */
  readonly entry: EntryScript | null;
}

type Container = Omit<FolderSearch, 'dir' | 'cwd'>;

export interface EntryScript {
  /** Relative to the root. */
  readonly path: string;
  /** As the container has it now; null when it is not there. */
  readonly digest: Digest | null;
  /** As its image has it. */
  ofImage(): Promise<Digest | null>;
}

/** Where no folder proves itself, those that might be meant: several, a home folder, or none. Then the user must say. */
export async function findHostFolder(search: FolderSearch): Promise<HostFolder | readonly string[]> {
  if (search.dir !== undefined) return folderFor(search, await existingFolder(search.dir));
  const bound = await boundFolder(search);
  if (bound !== null) return bound;
  const { entry } = search;
  if (entry === null) return [];
  const cwd = await realpath(search.cwd);
  for (const digest of [() => entry.digest, () => entry.ofImage()]) {
    const dirs = await searchEntry(cwd, entry.path, await digest());
    const [dir] = dirs;
    if (dir === undefined) continue;
    if (dirs.length > 1 || (await isDelicate(dir))) return dirs;
    return { mode: 'sync', dir };
  }
  return [];
}

/** A folder that is decided already, for this container. */
export async function folderFor(container: Container, dir: string): Promise<HostFolder> {
  const bound = await boundFolder(container);
  // The same folder named by hand is still the same folder: synchronising it with itself would be absurd.
  if (bound !== null && (await sameFolder(bound.dir, dir))) return bound;
  return { mode: 'sync', dir };
}

/** A home folder, the user's or anybody's, or a whole disk. */
export async function isDelicate(dir: string): Promise<boolean> {
  const homes = [homedir(), userInfo().homedir];
  const real = await Promise.all(homes.map((home) => realpath(home).catch(() => home)));
  return [...homes, ...real, parse(dir).root].includes(dir) || /^\/(root|(home|Users)\/[^/]+)$/.test(dir);
}

async function boundFolder({ mounts, root, isHere, entry }: Container): Promise<HostFolder | null> {
  const mount = mounts
    .filter(({ destination }) => isWithin(root, destination))
    .reduce<Mount | null>((a, b) => (a !== null && isWithin(a.destination, b.destination) ? a : b), null);
  if (mount?.type !== 'bind') return null;
  const dir = join(mount.source, posix.relative(mount.destination, root));
  if (!(await isFolder(dir))) return null;
  // The source is a path of the engine's machine, which may be another one with a folder of that name as well.
  const digest = entry?.digest ?? null;
  if (entry === null || digest === null ? !isHere : !(await holds(join(dir, entry.path), digest))) return null;
  return { mode: 'bind', dir };
}

const SKIPPED = new Set(['node_modules', '.git', '.venv', 'venv', '__pycache__', 'azureml-models', '.drydock']);
const DEPTH = 4;
/** Folders looked into before the search gives up: a home folder must not be walked. */
const BREADTH = 2_000;

/** All that are nearest. */
async function searchEntry(cwd: string, path: string, digest: Digest | null): Promise<string[]> {
  if (digest === null) return [];
  let folders = [cwd];
  let seen = 0;
  for (let depth = 0; depth <= DEPTH && folders.length > 0; depth++) {
    const found: string[] = [];
    const deeper: string[] = [];
    for (const folder of folders) {
      if (++seen > BREADTH) return [];
      if (await holds(join(folder, path), digest)) found.push(folder);
      deeper.push(...(await subfolders(folder)));
    }
    if (found.length > 0) return found;
    folders = deeper;
  }
  return [];
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
