/** What the file system under the root can do, tried out in the staging folder. */
import { chmodSync, linkSync, lstatSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import type { Renames } from './rename.ts';
import type { Stage } from './stage.ts';
import { openRoot, resolveRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';

export interface Capabilities {
  readonly writable: boolean;
  readonly hardLinks: boolean;
  readonly symlinks: boolean;
  readonly execBit: boolean;
  readonly caseSensitive: boolean;
  /** Two names change places in one step. */
  readonly exchange: boolean;
  /** A name moves to where nothing stands, in one step. */
  readonly moveToFree: boolean;
  /** Milliseconds within which two writes may leave the same time stamp. */
  readonly grain: number;
}

/** A kernel's clock tick is 10 ms at most (CONFIG_HZ=100), and a write may be stamped with the start of it. */
export const FINE_GRAIN = 25;
/** FAT counts two seconds, HFS+ one. */
const COARSE_GRAIN = 2100;

const NOTHING: Capabilities = {
  writable: false,
  hardLinks: false,
  symlinks: false,
  execBit: process.platform !== 'win32',
  caseSensitive: process.platform === 'linux',
  exchange: false,
  moveToFree: false,
  grain: FINE_GRAIN,
};

/** Never throws for want of a permission: then nothing is writable. */
export async function probe(stage: Stage, renames: Renames | null): Promise<Capabilities> {
  try {
    return await stage.use((folder) => Promise.resolve(tryOut(folder, stage.name('probe'), renames)));
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return NOTHING;
  } finally {
    stage.clear();
  }
}

function tryOut(folder: Folder, name: string, renames: Renames | null): Capabilities {
  const file = folder.at(name);
  writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
  try {
    const link = `${file}-link`;
    return {
      writable: true,
      hardLinks: works(() => linkSync(file, link), link),
      symlinks: works(() => symlinkSync(name, link), link),
      execBit: hasExecBit(file),
      caseSensitive: lstatSync(folder.at(name.toUpperCase()), { throwIfNoEntry: false }) === undefined,
      exchange: renames !== null && works(() => withOther(link, () => renames.exchange(file, link)), link),
      moveToFree: renames !== null && works(() => moves(renames, link), link),
      grain: lstatSync(file, { bigint: true }).mtimeNs % 1_000_000_000n === 0n ? COARSE_GRAIN : FINE_GRAIN,
    };
  } finally {
    unlinkSync(file);
  }
}

function withOther(other: string, work: () => void): void {
  writeFileSync(other, '', { flag: 'wx', mode: 0o600 });
  try {
    work();
  } catch (error) {
    unlinkSync(other);
    throw error;
  }
}

/** Some take the call and replace all the same. */
function moves({ moveToFree }: Renames, to: string): void {
  const from = `${to}-from`;
  withOther(from, () => moveToFree(from, to));
  withOther(from, () => {
    try {
      moveToFree(from, to);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      unlinkSync(from);
      return;
    }
    throw Object.assign(new Error('replaces what stands there'), { code: 'ENOTSUP' });
  });
}

function works(make: () => void, made: string): boolean {
  try {
    make();
    unlinkSync(made);
    return true;
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return false;
  }
}

function hasExecBit(file: string): boolean {
  if (process.platform === 'win32') return false;
  const was = (lstatSync(file).mode & 0o100) !== 0;
  chmodSync(file, 0o700);
  return !was && (lstatSync(file).mode & 0o100) !== 0;
}

/** Whether the root is a mount point, and whether the folder above it may hold our staging folder. */
export function standing(walker: Walker, path: string): { readonly mount: boolean; readonly parentIsOurs: boolean } {
  const root = openRoot(walker, path);
  if (root === null) return { mount: false, parentIsOurs: false };
  try {
    const above = openRoot(walker, dirname(resolveRoot(path)));
    if (above === null) return { mount: false, parentIsOurs: false };
    try {
      const mount =
        root.stat.dev !== above.stat.dev || mountOf(root) !== mountOf(above) || above.stat.ino === root.stat.ino;
      const uid = process.geteuid?.();
      const mode = Number(above.stat.mode);
      const open = (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
      return { mount, parentIsOurs: (uid === undefined || above.stat.uid === BigInt(uid)) && !open };
    } finally {
      above.close();
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return { mount: false, parentIsOurs: false };
  } finally {
    root.close();
  }
}

/** What tells a mount from another. Linux numbers them: a bind mount of the same device has another number. */
export function mountOf(folder: Folder): string {
  if (folder.fd === null) return String(folder.stat.dev);
  return /^mnt_id:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${folder.fd}`, 'utf8'))?.[1] ?? '';
}

/** Mount points below the root, relative to it; on Linux only, elsewhere the device tells. */
export function mountsBelow(root: string): ReadonlySet<Path> {
  const below = new Set<Path>();
  if (process.platform !== 'linux') return below;
  try {
    const other = /^(\/proc\/(?:\d+|self))\/root(?=\/|$)/.exec(root);
    const resolved = resolveRoot(root).slice(other?.[0].length ?? 0);
    for (const line of readFileSync(`${other?.[1] ?? '/proc/self'}/mountinfo`, 'utf8').split('\n')) {
      // proc(5): the fifth field is the mount point; blanks in it are octal.
      const point = line
        .split(' ')[4]
        ?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
      if (point?.startsWith(`${resolved}/`) === true) below.add(point.slice(resolved.length + 1));
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
  }
  return below;
}
