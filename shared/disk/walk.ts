/**
 * How to stand in a folder so that nobody can put another one under our feet.
 *
 * On Linux each component is opened with O_NOFOLLOW|O_DIRECTORY and the next is reached through /proc/self/fd/N/name:
 * what openat(2) does, which Node does not offer. Elsewhere each component is looked at before and again after every
 * use, by device and inode; whoever may swap folders between two such looks (a local process of the same user, in the
 * same microseconds) is not kept out: RACE, named in SECURITY.md.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf } from './errno.ts';

/** A folder that is held open; whoever opened it closes it. */
export interface Folder {
  readonly stat: BigIntStats;
  /** Descriptor, where the system has one for folders. */
  readonly fd: number | null;
  /** A path to hand to `node:fs` at once; it leads to `name` in this very folder. */
  at(name: string): string;
  /** The folder itself. */
  readonly here: string;
  /** Throws ESTALE when the folder is no longer where it was; nothing to check where `fd` pins it. */
  verify(): void;
  close(): void;
}

export interface Walker {
  /** The folder at an absolute path whose symbolic links were resolved before. */
  open(path: string): Folder;
  /** Throws ENOENT, ENOTDIR or ELOOP (not a real folder), EACCES. */
  enter(folder: Folder, name: string): Folder;
}

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MAX_LINKS = 40;
/** None stands there, it may not be read, or its disk does not answer. */
const NO_ROOT = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'EIO', 'ESTALE', 'ENOTCONN', 'EHOSTDOWN'];

class Pinned implements Folder {
  readonly fd: number;
  readonly here: string;
  readonly stat: BigIntStats;

  constructor(fd: number) {
    this.fd = fd;
    this.here = `/proc/self/fd/${fd}`;
    this.stat = fstatSync(fd, { bigint: true });
  }

  at(name: string): string {
    return `${this.here}/${name}`;
  }

  verify(): void {
    // The descriptor pins the folder.
  }

  close(): void {
    closeSync(this.fd);
  }
}

export const pinningWalker: Walker = {
  open: (path) => new Pinned(openSync(path, FOLDER)),
  enter: (folder, name) => new Pinned(openSync(folder.at(name), FOLDER)),
};

class Checked implements Folder {
  readonly fd = null;
  readonly here: string;
  readonly stat: BigIntStats;
  readonly #above: Folder | null;

  constructor(here: string, above: Folder | null) {
    this.here = here;
    this.#above = above;
    this.stat = lstatSync(here, { bigint: true });
    if (!this.stat.isDirectory()) throw Object.assign(new Error(`not a folder: ${here}`), { code: 'ENOTDIR' });
  }

  at(name: string): string {
    return join(this.here, name);
  }

  verify(): void {
    this.#above?.verify();
    const now = lstatSync(this.here, { bigint: true });
    if (now.isDirectory() && now.dev === this.stat.dev && now.ino === this.stat.ino) return;
    throw Object.assign(new Error(`the folder was replaced meanwhile: ${this.here}`), { code: 'ESTALE' });
  }

  close(): void {
    // Nothing is held.
  }
}

export const checkingWalker: Walker = {
  open: (path) => new Checked(path, null),
  enter: (folder, name) => {
    folder.verify();
    return new Checked(folder.at(name), folder);
  },
};

/** The folder below `root` at `names`. Takes `root` over: only what it returns is left to be closed. */
export function enterAll(walker: Walker, root: Folder, names: readonly string[]): Folder {
  let folder = root;
  for (const name of names) {
    const above = folder;
    try {
      folder = walker.enter(above, name);
    } finally {
      above.close();
    }
  }
  return folder;
}

/**
 * The path with its symbolic links resolved. Below `/proc/N/root` (the agent as a sidecar) an absolute link means the
 * other container's root, not ours, so the components are followed one by one. Throws as `realpath` does.
 */
export function resolveRoot(path: string): string {
  const base = /^\/proc\/(?:\d+|self)\/root(?=\/|$)/.exec(path)?.[0];
  return base === undefined ? realpathSync.native(path) : resolveBelow(base, path.slice(base.length));
}

function resolveBelow(base: string, path: string): string {
  const ahead = path.split('/').reverse();
  let at = base;
  let links = 0;
  for (let step = ahead.pop(); step !== undefined; step = ahead.pop()) {
    if (step === '' || step === '.') continue;
    if (step === '..') {
      if (at !== base) at = dirname(at);
      continue;
    }
    const next = `${at}/${step}`;
    if (!lstatSync(next).isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw Object.assign(new Error(`too many links: ${path}`), { code: 'ELOOP' });
    const target = readlinkSync(next);
    if (target.startsWith('/')) at = base;
    ahead.push(...target.split('/').reverse());
  }
  return at;
}

/**
 * The root as it is now, opened anew, since another folder may stand there; null when none does that can be read. Whoever
 * calls closes it.
 */
export function openRoot(walker: Walker, path: string): Folder | null {
  try {
    return walker.open(resolveRoot(path));
  } catch (error) {
    if (NO_ROOT.includes(codeOf(error))) return null;
    throw error;
  }
}
