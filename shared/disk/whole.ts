/**
 * New folders come whole: made ready in the staging folder with the files that go into them, and brought to their path
 * by one rename. That is half of the system's work for each file, and one hint instead of one a file.
 *
 * It is tried where a folder and its files come together; whatever does not fit (a link, a name that cannot be, what
 * somebody has put at the path since) is left to be made by itself. On overlayfs a new folder can be moved, unlike one
 * of a lower layer.
 */
import { fstatSync, lstatSync, unlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import type { Change } from '../core/sync/endpoint.ts';
import { above, folderOf, join, nameOf, type FileNode, type Path } from '../core/sync/tree.ts';
import { makeFolder, newFileIn, newFolderIn, setAttributesAnew } from './attributes.ts';
import type { Owner } from './attributes.ts';
import { codeOf } from './errno.ts';
import { fill } from './fill.ts';
import { judge } from './hands.ts';
import type { Hands, Step } from './hands.ts';
import { detach } from './known.ts';
import { allowed, type Parents } from './parents.ts';
import { stampOf } from './reading.ts';
import { Staged } from './staged.ts';
import type { Folder } from './walk.ts';

/** A new folder with all that comes with it, made ready. */
export interface Whole {
  readonly path: Path;
  /** In the staging folder. */
  readonly name: string;
  /** Its own path first, then those of the folders below it, parents first. Open until its window is over. */
  readonly folders: Map<Path, Folder>;
  /** With their stamps, and the time of their last change, as of when they were made. */
  readonly files: Map<Path, { readonly node: FileNode; readonly stamp: string; readonly ctimeNs: bigint }>;
  /** `placed`: it has come to its path. `left`: it cannot. */
  state: 'ready' | 'placed' | 'left';
}

/** One of its folders. */
export interface Home {
  readonly whole: Whole;
  readonly folder: Folder;
  /** From the staging folder on. */
  readonly name: string;
  /** With the attributes that it will have. */
  readonly stat: BigIntStats;
}

export type Homes = ReadonlyMap<Path, Home>;

/** Makes ready the new folders of a window of changes, by their paths; whoever calls closes them. */
export function makeHomes(hands: Hands, stage: Folder, parents: Parents, window: readonly Change[]): Homes {
  const homes = new Map<Path, Home>();
  if (hands.moveToFree === null || !hands.can.caseSensitive || hands.without === 'before') return homes;
  // One that no file comes with gains nothing.
  const filled = new Set(window.flatMap(({ path, after }) => (after?.kind === 'file' ? above(path) : [])));
  for (const change of window) {
    const { path, before, after } = change;
    if (before !== null || after?.kind !== 'dir' || !filled.has(path)) continue;
    try {
      const names = allowed(hands, change);
      const parent = homes.get(folderOf(path));
      homes.set(
        path,
        parent === undefined
          ? highest(hands, stage, path, parents.open(names.slice(0, -1)))
          : below(hands, path, parent),
      );
    } catch (error) {
      judge(error, path); // It is made by itself in its turn, and that tells.
    }
  }
  return homes;
}

/** Where a new entry is made ready, if that is in a new folder. */
export function homeOf(homes: Homes, { path, before, after }: Change): Home | undefined {
  if (before !== null) return undefined;
  if (after?.kind === 'dir') return homes.get(path);
  return after?.kind === 'file' ? homes.get(folderOf(path)) : undefined;
}

function highest(hands: Hands, stage: Folder, path: Path, parent: Folder): Home {
  const name = hands.stage.name('new');
  const made = make(hands, stage, name, parent.stat);
  return {
    whole: { path, name, folders: new Map([[path, made.folder]]), files: new Map(), state: 'ready' },
    name,
    ...made,
  };
}

function below(hands: Hands, path: Path, { whole, folder, name, stat }: Home): Home {
  const last = nameOf(path);
  const made = make(hands, folder, last, stat);
  whole.folders.set(path, made.folder);
  return { whole, name: join(name, last), ...made };
}

function make({ walker, owner }: Hands, at: Folder, name: string, like: BigIntStats): Pick<Home, 'folder' | 'stat'> {
  const folder = makeFolder(walker, at, name, newFolderIn(like, owner));
  return { folder, stat: folder.fd === null ? folder.stat : fstatSync(folder.fd, { bigint: true }) };
}

/** Writes a file that goes into a new folder, with the attributes that it will have. Fails as `fill` does. */
export async function fillHome(
  stage: Folder,
  home: Home,
  path: Path,
  node: FileNode,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  owner: Owner | undefined,
): Promise<Staged> {
  const last = nameOf(path);
  const at = home.folder.at(last);
  const fd = await fill(at, node, content);
  const staged = new Staged(stage, join(home.name, last), fd);
  try {
    setAttributesAnew(fd, newFileIn(home.stat, node.exec, owner));
    const stat = fstatSync(fd, { bigint: true });
    home.whole.files.set(path, { node, stamp: stampOf(stat), ctimeNs: stat.ctimeNs });
    return staged;
  } catch (error) {
    unlinkSync(at);
    throw error;
  } finally {
    // It comes to its path with its folder: most are never asked for again, and a window may hold any number of them.
    staged.close();
  }
}

/** False where it cannot come to its path like this, whatever the reason: it is made by itself then, and that tells. */
export function placeWhole({ hands, stage, parent, name }: Step, whole: Whole): boolean {
  if (whole.state !== 'ready' || hands.moveToFree === null) return false;
  // Watched before anybody else can reach it: there is nothing to look for afterwards.
  const expected = hands.looker.expectWhole(whole);
  try {
    hands.moveToFree(stage.at(whole.name), parent.at(name));
  } catch (error) {
    for (const dir of expected?.values() ?? []) detach(dir);
    if (codeOf(error) === '') throw error;
    whole.state = 'left';
    return false;
  }
  whole.state = 'placed';
  if (expected !== null) hands.looker.recordWhole(whole, expected, placedAt(parent, name));
  return true;
}

/** A rename is a change of what is renamed: that is the file system's own time of it. 0n where it does not say. */
function placedAt(parent: Folder, name: string): bigint {
  try {
    return lstatSync(parent.at(name), { bigint: true }).ctimeNs;
  } catch {
    return 0n; // It is gone again, or the disk fails: what is there will be seen by looking.
  }
}
