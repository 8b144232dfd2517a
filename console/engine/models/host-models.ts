/**
 * This machine's `azureml-models`, and beside it what is not whole yet: `.drydock/models`, a file of bytes for each file
 * that is being fetched. It outlives this process, so that the next one goes on where it stopped.
 *
 * RACE: between the last look at a path and the rename over it lie a few microseconds, as in shared/disk/victim.ts.
 */
import { createHash } from 'node:crypto';
import {
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { MODELS, type ModelFile, type ModelLink } from '../../../shared/core/models.ts';
import { codeOf } from '../../../shared/disk/errno.ts';
import { freeIn } from '../../../shared/disk/fill.ts';
import { OWN_FOLDER, segmentsOf } from '../../../shared/disk/path.ts';
import { contentStampOf, openFile } from '../../../shared/disk/reading.ts';
import { fsync } from '../../../shared/disk/syncing.ts';
import { checkingWalker, openRoot, pinningWalker, type Folder } from '../../../shared/disk/walk.ts';
import type { Found } from './plan.ts';

/** What stood at the path is not what was looked at before. */
export class HostMoved extends Error {
  override readonly name = 'HostMoved';
}

const PARTS = [OWN_FOLDER, 'models'] as const;
const walker = process.platform === 'linux' ? pinningWalker : checkingWalker;

export class HostModels {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  look(path: string): Found {
    const names = segmentsOf(path);
    if (names === null) return { kind: 'other' }; // no name on this system
    try {
      return this.#within([MODELS, ...names.slice(0, -1)], null, (parent) => lookIn(parent, names.at(-1) ?? ''));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { kind: 'none' };
      if (codeOf(error) === '') throw error;
      return { kind: 'other' };
    }
  }

  /** For reading; whoever calls closes it. */
  open(path: string): number {
    const names = segmentsOf(path) ?? [];
    return this.#within([MODELS, ...names.slice(0, -1)], null, (parent) => openFile(parent.at(names.at(-1) ?? '')));
  }

  /** Bytes that a fetch may take. */
  free(): number {
    return this.#within([], null, freeIn);
  }

  /** `azureml-models` is a folder of this file system, or not there yet: what is made ready is renamed into it. */
  takes(): boolean {
    try {
      return this.#within([], null, (root) => {
        const found = lstatSync(root.at(MODELS), { bigint: true, throwIfNoEntry: false });
        return found === undefined || (found.isDirectory() && found.dev === root.stat.dev);
      });
    } catch {
      return false;
    }
  }

  /** Bytes of the file that lie here from an earlier time. */
  begun(path: string): number {
    try {
      return this.#within(PARTS, null, (parts) => lstatSync(parts.at(partOf(path))).size);
    } catch (error) {
      if (codeOf(error) === '') throw error;
      return 0;
    }
  }

  /** For reading and writing, with what it holds; whoever calls closes it. */
  openPart(path: string): number {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    return this.#within(PARTS, 0o700, (parts) => openSync(parts.at(partOf(path)), flags, 0o600));
  }

  /** The part `fd` of the file is whole: it takes its place, over `expected`. Throws HostMoved. */
  async place(fd: number, { path, exec, mtime }: ModelFile, expected: Found): Promise<void> {
    fchmodSync(fd, exec ? 0o755 : 0o644);
    futimesSync(fd, mtime / 1000, mtime / 1000);
    await fsync(fd);
    this.#put(path, expected, (parent, name) =>
      this.#within(PARTS, null, (parts) => renameSync(parts.at(partOf(path)), parent.at(name))),
    );
  }

  placeLink({ path, target }: ModelLink): void {
    this.#put(path, { kind: 'none' }, (parent, name) => symlinkSync(target, parent.at(name)));
  }

  dropPart(path: string): void {
    this.#keepParts((name) => name !== partOf(path));
  }

  /** Nothing of ours stays that is not needed. */
  tidy(): void {
    this.#keepParts(() => true);
  }

  /** Drops what was begun of files that nobody wants any more; the folder goes when it is empty. */
  dropPartsBut(paths: readonly string[]): void {
    const wanted = new Set(paths.map(partOf));
    this.#keepParts((name) => wanted.has(name));
  }

  #keepParts(keeps: (name: string) => boolean): void {
    try {
      this.#within(PARTS, null, (parts) => {
        for (const name of readdirSync(parts.here)) if (!keeps(name)) unlinkSync(parts.at(name));
      });
      this.#within([OWN_FOLDER], null, (own) => rmdirSync(own.at('models')));
      this.#within([], null, (root) => rmdirSync(root.at(OWN_FOLDER)));
    } catch (error) {
      // Not there, or something else is in it.
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'ELOOP'].includes(codeOf(error))) throw error;
    }
  }

  #put(path: string, expected: Found, put: (parent: Folder, name: string) => void): void {
    const names = segmentsOf(path) ?? [];
    this.#within([MODELS, ...names.slice(0, -1)], 0o755, (parent) => {
      const name = names.at(-1) ?? '';
      parent.verify();
      if (!sameFound(lookIn(parent, name), expected)) throw new HostMoved(path);
      put(parent, name);
      if (parent.fd !== null) fsyncSync(parent.fd);
    });
  }

  /** `work` in the folder below the root; missing ones are made where `mode` is given. */
  #within<T>(names: readonly string[], mode: number | null, work: (folder: Folder) => T): T {
    let folder = openRoot(walker, this.dir);
    if (folder === null) throw Object.assign(new Error(`the folder is gone: ${this.dir}`), { code: 'ENOENT' });
    try {
      for (const name of names) {
        const above: Folder = folder;
        if (mode !== null && lstatSync(above.at(name), { throwIfNoEntry: false }) === undefined) {
          mkdirSync(above.at(name), { mode });
        }
        folder = walker.enter(above, name);
        above.close();
      }
      return work(folder);
    } finally {
      folder.close();
    }
  }
}

function lookIn(parent: Folder, name: string): Found {
  const stat = lstatSync(parent.at(name), { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return { kind: 'none' };
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(parent.at(name)) };
  if (!stat.isFile()) return { kind: 'other' };
  return { kind: 'file', size: Number(stat.size), mtime: Number(stat.mtimeMs), stamp: contentStampOf(stat) };
}

export const stampIn = (fd: number): string => contentStampOf(fstatSync(fd, { bigint: true }));

function sameFound(a: Found, b: Found): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function partOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 32);
}
