/** Bringing bytes that nobody asked to replace back into the tree: to their own path, or as a copy beside it. */
import { closeSync, fstatSync, linkSync, lstatSync, readlinkSync, renameSync, unlinkSync } from 'node:fs';
import { copyNames } from '../core/sync/copy-name.ts';
import { join } from '../core/sync/tree.ts';
import type { Digest, Path } from '../core/sync/tree.ts';
import { newFileIn, setAttributes } from './attributes.ts';
import type { Owner } from './attributes.ts';
import { codeOf } from './errno.ts';
import { fill } from './fill.ts';
import { Failed } from './hands.ts';
import { fsync } from './syncing.ts';
import { segmentsOf } from './path.ts';
import { chunksOf, isExec, openFile, readAny } from './reading.ts';
import { contentOf } from './stage.ts';
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
      await fsync(copy);
      const exec = isExec(fstatSync(fd, { bigint: true }));
      setAttributes(copy, fstatSync(copy, { bigint: true }), newFileIn(parent.stat, exec, keeper.owner));
      for (const copyName of copyNames(name, { kind: 'file', digest, size, exec })) {
        if (!placeNew(keeper, stage.at(staged), parent.at(copyName))) continue;
        if (parent.fd !== null) await fsync(parent.fd);
        keeper.log(`${path}: what was written late into it was kept as ${copyName}`);
        return join(above, copyName);
      }
      throw new Failed('io', `${path}: all names of a conflict copy are taken`);
    } finally {
      closeSync(copy);
      parent.close();
    }
  });
}

/** Puts what lies in the staging folder back to its path, or beside it where something else stands there by now. */
export async function putBack(keeper: Keeper, path: Path, stage: Folder, name: string): Promise<void> {
  const { parent, above, name: last } = openNearest(keeper, path);
  try {
    const from = stage.at(name);
    const isFile = lstatSync(from).isFile();
    const own = join(above, last) === path ? [last] : [];
    for (const to of isFile ? own : [...own, ...copyNames(last, { kind: 'opaque', reason: 'special' })]) {
      if (!placeNew(keeper, from, parent.at(to))) continue;
      if (parent.fd !== null) await fsync(parent.fd);
      return;
    }
    if (!isFile) throw new Failed('io', `${path}: all names of a conflict copy are taken`);
  } finally {
    parent.close();
  }
  const fd = openFile(stage.at(name));
  try {
    const reading = await readAny(fd);
    if (reading === null) throw new Failed('io', `${path} kept moving while it was put back`);
    await saveCopy(keeper, path, fd, reading.digest, Number(reading.stat.size));
  } finally {
    closeSync(fd);
  }
}

/** False when something stands there. */
function placeNew(keeper: Keeper, from: string, to: string): boolean {
  // RACE: without hard links, and for folders, which have none, what comes between look and rename is replaced; a folder only if it is empty.
  if (!keeper.hardLinks || lstatSync(from).isDirectory()) {
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
  throw new Failed('io', `the folder is gone: ${keeper.root}`);
}

/** What was left in quarantine: a victim waits on for its release, what was to take its place may go, all else comes back. */
export async function recover(keeper: Keeper, leftover: Leftover): Promise<void> {
  const { path, known, name, folder } = leftover;
  const at = folder.at(name);
  const content = await contentAt(at);
  if (content === null || !known.includes(content)) {
    await putBack(keeper, path, folder, name);
  } else if (content === known[0] && lstatSync(at).isFile()) {
    const stat = lstatSync(at, { bigint: true });
    const file = { kind: 'file', digest: content, size: Number(stat.size), exec: isExec(stat) } as const;
    await keeper.stage.use(async () => {
      keeper.stage.adopt(leftover, file);
      return Promise.resolve();
    });
  }
}

/** As `contentOf` has it; null for what is not told by its content. */
async function contentAt(at: string): Promise<string | null> {
  const found = lstatSync(at);
  if (found.isSymbolicLink()) return contentOf({ kind: 'link', target: readlinkSync(at) });
  if (!found.isFile()) return null;
  const fd = openFile(at);
  try {
    return (await readAny(fd))?.digest ?? null;
  } finally {
    closeSync(fd);
  }
}
