/** The folders in which a batch changes something. */
import { lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Change } from '../core/sync/endpoint.ts';
import type { Path } from '../core/sync/tree.ts';
import { Failed } from './hands.ts';
import type { Hands } from './hands.ts';
import { OWN_FOLDER, segmentsOf, staysInside } from './path.ts';
import { fsync } from './syncing.ts';
import { enterAll } from './walk.ts';
import type { Folder } from './walk.ts';

/** Folders that are held open while a batch is made. With the window's files and those of `late.ts` well below the least limit of descriptors. */
const MAX_PARENTS = 128;

/** Held open: what comes next often lies in one of them, and at the end each is synced once. */
export class Parents {
  readonly #hands: Hands;
  readonly #open = new Map<Path, { readonly folder: Folder; touched: boolean }>();
  readonly #closing: Promise<void>[] = [];

  constructor(hands: Hands) {
    this.#hands = hands;
  }

  /** Stays open for this change at least. Throws Failed, and as `Walker.enter` does. */
  open(names: readonly string[]): Folder {
    const path = names.join('/');
    const held = this.#open.get(path);
    if (held !== undefined && this.#isStill(held.folder, path)) return held.folder;
    this.#drop(path);
    const [oldest] = this.#open.keys();
    if (oldest !== undefined && this.#open.size >= MAX_PARENTS) this.#drop(oldest);
    const folder = this.#enter(names, path);
    this.#open.set(path, { folder, touched: false });
    return folder;
  }

  /** Something changed in a folder that is open. */
  touch(names: readonly string[]): void {
    const held = this.#open.get(names.join('/'));
    if (held !== undefined) held.touched = true;
  }

  /** Resolves when all that were touched are synced. Rejects as fsync does. */
  async close(): Promise<void> {
    const folders = [...this.#open.values()];
    this.#open.clear();
    const touched = folders.flatMap(({ folder, touched }) => (touched && folder.fd !== null ? [folder.fd] : []));
    const errors: unknown[] = [];
    await this.#hands.syncer.sync(
      touched,
      (fd) => fd,
      (_, error) => errors.push(error),
    );
    for (const { folder } of folders) folder.close();
    for (const result of await Promise.allSettled(this.#closing)) {
      if (result.status === 'rejected') errors.push(result.reason);
    }
    if (errors.length > 0) throw errors[0];
  }

  #drop(path: Path): void {
    const held = this.#open.get(path);
    if (held === undefined) return;
    this.#open.delete(path);
    const { folder, touched } = held;
    // Windows has no descriptors of folders and commits their entries with the file system's journal.
    if (!touched || folder.fd === null) folder.close();
    else this.#closing.push(fsync(folder.fd).finally(() => folder.close()));
  }

  /**
   * True while the path leads to this very folder. RACE: one that is moved elsewhere after this look is written into
   * where it is by then, as one is that was entered component by component.
   */
  #isStill({ stat }: Folder, path: Path): boolean {
    const look = path === '' ? statSync : lstatSync;
    const now = look(join(this.#hands.root, path), { bigint: true, throwIfNoEntry: false });
    return now?.ino === stat.ino && now.dev === stat.dev;
  }

  #enter(names: readonly string[], path: Path): Folder {
    const { looker, walker, root: where } = this.#hands;
    const root = looker.openRoot();
    if (root === null) throw new Failed('io', `the folder is gone: ${where}`);
    const { dev } = root.stat;
    const folder = enterAll(walker, root, names);
    if (folder.stat.dev === dev) return folder;
    folder.close();
    throw new Failed('unsupported', `${path}: lies in a part that is left alone`);
  }
}

/** The segments of a path that may be acted on. Throws Failed. */
export function allowed(hands: Hands, { path, after }: Change): readonly string[] {
  const { without } = hands;
  const names = without === 'paths' ? path.split('/') : segmentsOf(path);
  if (names === null) throw new Failed('name', `${path}: no name that this file system can hold`);
  if (names[0] === OWN_FOLDER) throw new Failed('unsupported', `${path}: Drydock's own`);
  const folders = names.slice(0, -1).map((_, index) => names.slice(0, index + 1).join('/'));
  const isIgnored = () =>
    folders.some((folder) => hands.ignored(folder, true)) || hands.ignored(path, after?.kind === 'dir');
  if (without !== 'ignores' && isIgnored()) {
    throw new Failed('unsupported', `${path}: is ignored on this side`);
  }
  if (after?.kind === 'link' && without !== 'links' && !staysInside(path, after.target)) {
    throw new Failed('unsupported', `${path}: the link leads out of the folder`);
  }
  if (after?.kind === 'link' && !hands.can.symlinks) throw new Failed('unsupported', `${path}: no symbolic links here`);
  return names;
}
