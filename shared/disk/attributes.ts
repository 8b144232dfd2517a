/** Whose a file is and what may be done with it: kept from the victim, or taken from the folder. */
import { fchmodSync, fchownSync, fstatSync, mkdirSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { codeOf } from './errno.ts';
import type { Folder, Walker } from './walk.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Attributes extends Owner {
  /** Permission bits; never setuid, setgid or sticky on files. */
  readonly mode: number;
}

/** Execution is allowed to whoever may read, or to nobody. */
function withExec(mode: number, exec: boolean): number {
  const bare = mode & 0o666;
  return exec ? bare | ((bare & 0o444) >> 2) : bare;
}

/** What the file that replaces another takes over. */
export function keptFrom(victim: BigIntStats, exec: boolean): Attributes {
  const mode = Number(victim.mode) & 0o777;
  const was = (mode & 0o100) !== 0;
  return { ...ownerOf(victim), mode: was === exec ? mode : withExec(mode, exec) };
}

/** What a new file takes from its folder; a folder of root's gives no answer whose a new file is. */
export function newFileIn(folder: BigIntStats, exec: boolean, owner: Owner | undefined): Attributes {
  return { ...newOwner(folder, owner), mode: withExec((Number(folder.mode) & 0o664) | 0o600, exec) };
}

export function newFolderIn(folder: BigIntStats, owner: Owner | undefined): Attributes {
  // A set-group-ID folder hands its group and that bit on, as the kernel does.
  return { ...newOwner(folder, owner), mode: (Number(folder.mode) & 0o2775) | 0o700 };
}

function newOwner(folder: BigIntStats, owner: Owner | undefined): Owner {
  return folder.uid === 0n && owner !== undefined ? owner : ownerOf(folder);
}

function ownerOf(stat: BigIntStats): Owner {
  return { uid: Number(stat.uid), gid: Number(stat.gid) };
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Of an entry that we have just made, and that has nothing yet of what it is to have. */
export function setAttributesAnew(fd: number, wanted: Attributes): void {
  if (!isRoot()) {
    setAttributes(fd, fstatSync(fd, { bigint: true }), wanted);
    return;
  }
  fchownSync(fd, wanted.uid, wanted.gid);
  fchmodSync(fd, wanted.mode);
}

/** Where the owner cannot be kept (we are not root), a group that is not the old one gets what everybody has. */
export function setAttributes(fd: number, now: BigIntStats, wanted: Attributes): void {
  if (process.platform === 'win32') return;
  let { mode } = wanted;
  if (isRoot()) {
    if (Number(now.uid) !== wanted.uid || Number(now.gid) !== wanted.gid) fchownSync(fd, wanted.uid, wanted.gid);
  } else if (Number(now.gid) !== wanted.gid) {
    try {
      fchownSync(fd, Number(now.uid), wanted.gid);
    } catch (error) {
      if (!['EPERM', 'EINVAL'].includes(codeOf(error))) throw error;
      mode = (mode & ~0o2070) | ((mode & 0o007) << 3);
    }
  }
  if ((Number(now.mode) & 0o7777) !== mode) fchmodSync(fd, mode);
}

/** Makes a folder in another and opens it; whoever calls closes it. Throws as mkdir does. */
export function makeFolder(walker: Walker, parent: Folder, name: string, wanted: Attributes): Folder {
  mkdirSync(parent.at(name), { mode: 0o700 });
  const made = walker.enter(parent, name);
  try {
    if (made.fd !== null) setAttributes(made.fd, made.stat, wanted);
    return made;
  } catch (error) {
    made.close();
    throw error;
  }
}
