/** Bringing bytes that nobody asked to replace back into the tree: to their own path, or as a copy beside it. */
import { closeSync, fstatSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { copyNames } from '../core/sync/copy-name.ts';
import { join } from '../core/sync/tree.ts';
import type { Digest, Path } from '../core/sync/tree.ts';
import { newFileIn, setAttributes } from './attributes.ts';
import type { Owner } from './attributes.ts';
import { codeOf } from './errno.ts';
import { fill, fsync } from './fill.ts';
import { segmentsOf } from './path.ts';
import { chunksOf, isExec, openFile, readAny } from './reading.ts';
import type { Leftover, Stage } from './stage.ts';
import { enterAll, openRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';

export interface Keeper {
  readonly walker: Walker;
  readonly root: string;
  readonly stage: Stage;
  readonly hardLinks: boolean;
  readonly owner: Owner | undefined;
  log(text: string): void;
}

/** Saves `size` bytes of an open file as a conflict copy beside `path`. Returns where it is. */
export async function saveCopy(keeper: Keeper, path: Path, fd: number, digest: Digest, size: number): Promise<Path> {
  return keeper.stage.use(async (stage) => {
    const staged = keeper.stage.name('new');
    const copy = await fill(stage.at(staged), { digest, size }, chunksOf(fd, size));
    const { parent, above, name } = openNearest(keeper, path);
    try {
      const exec = isExec(fstatSync(fd, { bigint: true }));
      setAttributes(copy, fstatSync(copy, { bigint: true }), newFileIn(parent.stat, exec, keeper.owner));
      for (const copyName of copyNames(name, { kind: 'file', digest, size, exec })) {
        if (!placeNew(keeper, stage.at(staged), parent.at(copyName))) continue;
        if (parent.fd !== null) await fsync(parent.fd);
        keeper.log(`${path}: what was written late into it was kept as ${copyName}`);
        return join(above, copyName);
      }
      throw new Error(`${path}: all names of a conflict copy are taken`);
    } finally {
      closeSync(copy);
      parent.close();
    }
  });
}

/** Puts a file of the staging folder back to its path, or beside it where something else stands there by now. */
export async function putBack(keeper: Keeper, path: Path, stage: Folder, name: string): Promise<void> {
  const { parent, above, name: last } = openNearest(keeper, path);
  try {
    if (join(above, last) === path && placeNew(keeper, stage.at(name), parent.at(last))) {
      if (parent.fd !== null) await fsync(parent.fd);
      return;
    }
  } finally {
    parent.close();
  }
  if (!lstatSync(stage.at(name)).isFile()) {
    keeper.log(`${path}: something else stands there now; what was there was no file and is gone`);
    return;
  }
  const fd = openFile(stage.at(name));
  try {
    const reading = await readAny(fd);
    if (reading === null) throw new Error(`${path} kept moving while it was put back`);
    await saveCopy(keeper, path, fd, reading.digest, Number(reading.stat.size));
  } finally {
    closeSync(fd);
  }
}

/** False when something stands there. */
function placeNew(keeper: Keeper, from: string, to: string): boolean {
  if (!keeper.hardLinks) {
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return false;
    renameSync(from, to);
    return true;
  }
  try {
    linkSync(from, to);
    unlinkSync(from);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The folder of `path`, or the nearest one above that is left, and the last segment of `path`. */
function openNearest(keeper: Keeper, path: Path): { parent: Folder; above: Path; name: string } {
  const names = segmentsOf(path) ?? ['recovered'];
  const name = names.at(-1) ?? '';
  for (let depth = names.length - 1; depth >= 0; depth -= 1) {
    const root = openRoot(keeper.walker, keeper.root);
    if (root === null) break;
    try {
      const above = names.slice(0, depth);
      return { parent: enterAll(keeper.walker, root, above), above: above.join('/'), name };
    } catch (error) {
      if (codeOf(error) === '') throw error;
    }
  }
  throw new Error(`the folder is gone: ${keeper.root}`);
}

/** A victim that a killed process left in quarantine comes back, unless it is what was to be replaced or deleted. */
export async function recover(keeper: Keeper, { path, digest, name, folder }: Leftover): Promise<void> {
  const fd = openFile(folder.at(name));
  try {
    if ((await readAny(fd))?.digest === digest) return;
  } finally {
    closeSync(fd);
  }
  await putBack(keeper, path, folder, name);
}
