/**
 * Looking at the disk: one entry, the entries that hints name, or all of them. What is found goes into `known`, which
 * says what there is to tell.
 *
 * An entry is looked at without leaving the event loop, from its lstat to the change in `known`; only large files are
 * read across turns, and count only if nothing else was found at their path meanwhile. So looks may run beside each
 * other and beside `apply`.
 */
import { closeSync, fstatSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { above, folderOf, join, nameOf, sameEntry } from '../core/sync/tree.ts';
import type { Entry, FileNode, LinkNode, OpaqueNode, OpaqueReason, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import type { Measure } from './hands.ts';
import { detach, find, holdsVisible, isVisible, newDir, pathOf, set, setIgnored, uncover } from './known.ts';
import type { Proven, Seen, SeenDir, SeenFile, Sink } from './known.ts';
import { briskPacer } from './pacer.ts';
import type { Pacer } from './pacer.ts';
import { OWN_FOLDER, staysInside } from './path.ts';
import { SMALL, digestOfFile, isExec, openFile, readAny, readSmall, stampOf, withFile } from './reading.ts';
import type { Reading } from './reading.ts';
import { Unsettled } from './unsettled.ts';
import { FINE_GRAIN, mountOf } from './probe.ts';
import { openRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';
import type { Whole } from './whole.ts';

/** A file seen empty is told only after this many milliseconds, unless it fills before: an editor may have truncated it. */
const EMPTY_HOLD = 50;
/** A file that moves is tried again after this many milliseconds … */
const MOVING_RETRY = 20;
/** … and after this many told by a prefix that does not move, or as busy. */
const MOVING_LIMIT = 1000;
/** A file that keeps moving is read for a tenth of the time at most. */
const COST_RATIO = 10;
/** Folders that one `visit` stands in at once. */
const MAX_ENTERED = 256;

/** News that nobody has to hear. */
export const MUTE: Sink = { data: false, tell: () => undefined };

export interface LookOptions {
  readonly walker: Walker;
  readonly root: string;
  readonly execBit: boolean;
  readonly caseSensitive: boolean;
  /** Milliseconds within which two writes may leave the same time stamp. */
  readonly grain: number;
  /** Of an earlier endpoint of this folder; asked by the first look alone. */
  readonly proven: Proven;
  /** For tests. */
  readonly without: Measure | undefined;
  ignored(path: Path, isDir: boolean): boolean;
  /** Paths where another file system begins though the device is the same (bind mounts). */
  mounts(): ReadonlySet<Path>;
  /** Where news goes that no scan waits for. */
  readonly sink: Sink;
  /** Called before a folder is listed; returns what ends its watch. */
  cover(folder: Folder, dir: SeenDir): (() => void) | null;
  /** A look failed in a way that leaves something unseen. */
  failed(error: unknown): void;
}

/**
 * `fresh`: the folder was not listed since it appeared or was replaced. `asPlaced`: nothing was done to it itself since
 * `apply` brought it.
 */
interface Found {
  readonly dir: SeenDir;
  readonly fresh: boolean;
  readonly asPlaced: boolean;
}

/** Folders that are to come, by their paths. */
export type Expected = ReadonlyMap<Path, SeenDir>;

/** The folders that one `visit` stands in, so that each is entered once: all of it is one turn of the event loop. */
type Entered = Map<Path, { readonly folder: Folder; readonly dir: SeenDir }>;

export class Looker {
  readonly known = newDir('', '', null, null);
  readonly #options: LookOptions;
  readonly #unsettled: Unsettled;
  readonly #tasks = new Set<Promise<void>>();
  #mounts: ReadonlySet<Path>;
  #proven: Proven | null;
  /** Which one the root was on last. */
  #mount: string | null = null;
  #folder = '';
  #rootDevice = 0n;
  #closed = false;

  constructor(options: LookOptions) {
    this.#options = options;
    this.#mounts = options.mounts();
    this.#proven = options.proven;
    this.#unsettled = new Unsettled((paths) => this.visit(paths));
  }

  /** True while a folder or a large file is being read. */
  get isListing(): boolean {
    return this.#tasks.size > 0;
  }

  /** Looks at everything. False when there is no root. */
  async all(sink: Sink, pacer: Pacer): Promise<boolean> {
    this.#mounts = this.#options.mounts();
    const root = this.openRoot();
    if (root === null) return false;
    try {
      await this.#list(root, this.known, '', true, sink, pacer);
      this.#proven = null;
      return true;
    } catch (error) {
      if (!isGone(error)) throw error;
      return false;
    } finally {
      root.close();
    }
  }

  /** Resolves when no file is left whose state is not known: held while empty, moving, or large and being read. */
  settled(): Promise<void> {
    return this.#unsettled.quiet();
  }

  /** Looks at the entries that hints or timers name. */
  visit(paths: Iterable<Path>): void {
    if (this.#closed) return;
    const entered: Entered = new Map();
    try {
      const root = this.openRoot();
      if (root === null) throw new Error('the folder is gone');
      entered.set('', { folder: root, dir: this.known });
      for (const path of paths) this.#visitOne(entered, root, path);
    } catch (error) {
      this.#options.failed(error);
    } finally {
      for (const { folder } of entered.values()) folder.close();
    }
  }

  /** True when the file at `path` is known to be `node` and was not touched since. */
  proves(path: Path, node: FileNode, stat: BigIntStats): boolean {
    const seen = find(this.known, path.split('/'));
    return seen?.kind === 'file' && seen.freshUntil === 0 && seen.stamp === stampOf(stat) && sameEntry(seen.node, node);
  }

  /** True when the tree holds something at the path. */
  knows(path: Path): boolean {
    const seen = find(this.known, path.split('/'));
    return seen !== undefined && isVisible(seen);
  }

  /** True below something opaque: a mount, what cannot be read, a name that cannot be said. */
  isFrozen(path: Path): boolean {
    return above(path).some((folder) => {
      const seen = find(this.known, folder.split('/'));
      return this.#mounts.has(folder) || (seen?.kind === 'other' && seen.node.kind === 'opaque');
    });
  }

  /** True when an entry stands there whose name cannot be said. */
  isUnnameable(path: Path): boolean {
    const seen = find(this.known, path.split('/'));
    return seen?.kind === 'other' && seen.node.kind === 'opaque' && seen.node.reason === 'name';
  }

  /** True for a folder that holds nothing but ignored entries. */
  isHidden(path: Path): boolean {
    const seen = find(this.known, path.split('/'));
    return seen !== undefined && !isVisible(seen);
  }

  /**
   * What stands at the path by a look of now; undefined for nothing in the tree. A file whose state is not known yet
   * is busy until it is told. `denied`: what was found not to stand there; a file that was seen as that is read whatever
   * its stamp says, since what is written through a mapping shows in it only when the system writes the page back.
   */
  async learn(path: Path, denied: Entry | null = null): Promise<Seen | undefined> {
    if (this.#unsettled.get(path)?.why === 'own') this.#unsettled.delete(path);
    const before = this.#placeOf(path);
    const known = before?.dir.children.get(before.name);
    if (before !== null && known?.kind === 'file' && sameEntry(known.node, denied))
      this.#tellFile(before.dir, before.name, known.node, '', 0, MUTE);
    this.visit([path]);
    await Promise.all(this.#tasks);
    const why = this.#unsettled.get(path)?.why;
    const place = this.#placeOf(path);
    if (place !== null && (why === 'empty' || why === 'moving'))
      this.#other(place.dir, place.name, opaque('busy'), MUTE);
    const seen = find(this.known, path.split('/'));
    return seen !== undefined && isVisible(seen) ? seen : undefined;
  }

  /**
   * What `apply` left at a path. Only what follows from it elsewhere is told: a folder that enters or leaves the tree with
   * it. `hidden`: the file as it was before it stood there, when nobody but us could write into it.
   */
  recordFile(path: Path, node: FileNode, stat: BigIntStats, hidden?: BigIntStats): void {
    // From the moment at which the file stood there somebody may have written into it, and the stamp be his: so it proves
    // nothing until the file was read. But his would be no older than the last change of what was hidden: a content that
    // is older than that by its own stamp, still, is ours.
    const isOurs = hidden !== undefined && hidden.mtimeNs < hidden.ctimeNs && isSameContent(hidden, stat);
    this.#recordFile(path, node, stat, isOurs);
  }

  /**
   * A new folder that is still out of everybody's reach, with those in it: whatever is done to them from now on is hinted.
   * Null where the folder that it comes into is not known yet: a look at that will find it.
   */
  expectWhole({ path: top, folders }: Whole): Expected | null {
    const place = this.#placeOf(top);
    if (place === null) return null;
    const dirs = new Map<Path, SeenDir>();
    for (const [path, folder] of folders) {
      const above = dirs.get(folderOf(path));
      const dir = newDir(idOf(folder.stat), nameOf(path), above ?? place.dir, place.dir.build);
      dir.uncover = this.#options.cover(folder, dir);
      above?.children.set(dir.name, dir);
      dirs.set(path, dir);
    }
    return dirs;
  }

  /** `apply` has brought it to its path, with the files that are in it, at that time of the file system. */
  recordWhole({ path: top, files }: Whole, dirs: Expected, placedAt: bigint): void {
    const dir = dirs.get(top);
    if (dir === undefined) return;
    dir.placedAt = placedAt;
    for (const [path, { node, stamp, ctimeNs }] of files) {
      // As with the hidden content of one file: nobody else could write there before.
      const freshUntil = this.#provesFrom(ctimeNs < placedAt);
      dirs.get(folderOf(path))?.children.set(nameOf(path), { kind: 'file', node, stamp, freshUntil });
      this.#settle(path, freshUntil, 'own');
    }
    this.#record(top, dir);
  }

  #recordFile(path: Path, node: FileNode, stat: BigIntStats, isOurs: boolean): void {
    const freshUntil = this.#provesFrom(isOurs);
    this.#record(path, { kind: 'file', node, stamp: stampOf(stat), freshUntil });
    this.#settle(path, freshUntil, 'own');
  }

  /** When the stamp of what we wrote proves something. */
  #provesFrom(isOurs: boolean): number {
    const { grain } = this.#options;
    return isOurs && grain === FINE_GRAIN ? 0 : performance.now() + grain;
  }

  recordLink(path: Path, node: LinkNode): void {
    this.#record(path, { kind: 'other', node });
    this.#unsettled.delete(path);
  }

  recordFolder(path: Path): void {
    const place = this.#placeOf(path);
    if (place !== null) this.#record(path, newDir('', place.name, place.dir, place.dir.build));
    this.visit([path]);
  }

  recordGone(path: Path): void {
    this.#record(path, null);
    this.#unsettled.delete(path);
  }

  #record(path: Path, seen: Seen | null): void {
    const { sink } = this.#options;
    const place = this.#placeOf(path);
    if (place === null) return; // In a folder that is not known yet: a look at it will find this too.
    this.#dropBuild(place.dir, place.name);
    set(place.dir, place.name, seen, { data: false, tell: (news) => news.path !== path && sink.tell(news) });
  }

  #placeOf(path: Path): { readonly dir: SeenDir; readonly name: string } | null {
    const names = path.split('/');
    const name = names.pop();
    let dir: Seen | undefined = this.known;
    for (const step of names)
      dir = dir?.kind === 'dir' ? (dir.building.get(step) ?? dir.children.get(step)) : undefined;
    return dir?.kind === 'dir' && name !== undefined ? { dir, name } : null;
  }

  /** Lists these folders again. */
  async relist(paths: readonly Path[]): Promise<void> {
    for (const path of paths) await this.#listAt(path, false);
  }

  /** Ends all watches of folders. */
  uncover(): void {
    uncover(this.known);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsettled.close();
    await Promise.all(this.#tasks);
    detach(this.known);
  }

  /** The root as it is now; null where none stands that is on the mount of the last, or is it. Whoever calls closes it. */
  openRoot(): Folder | null {
    const root = openRoot(this.#options.walker, this.#options.root);
    if (root === null) return null;
    // Another disk that came over the folder, or went from it, is no state of the folder. The same one may come back.
    // The kernel gives a mount's number again, and a device's; a new file system in memory has the same inode, too.
    const mount = `${mountOf(root)} ${root.stat.dev}`;
    const id = idOf(root.stat);
    const folder = `${id} ${root.stat.birthtimeNs}`;
    if (this.#mount !== null && mount !== this.#mount && folder !== this.#folder) {
      root.close();
      return null;
    }
    this.#mount = mount;
    this.#folder = folder;
    this.#rootDevice = root.stat.dev;
    if (this.known.id !== id) {
      this.known.id = id;
      this.known.uncover?.();
      this.known.uncover = null;
    }
    return root;
  }

  #visitOne(entered: Entered, root: Folder, path: Path): void {
    const names = path === '' ? [] : path.split('/');
    let folder = root;
    let dir = this.known;
    let at = '';
    for (const [index, name] of names.entries()) {
      at = join(at, name);
      const last = index === names.length - 1;
      const held = last ? undefined : entered.get(at);
      if (held?.dir.attached === true) {
        ({ folder, dir } = held);
        continue;
      }
      const found = this.#entry(folder, dir, name, at, this.#options.sink);
      if (found === null || found === 'ignored') return;
      if (last && found.asPlaced && found.dir.uncover !== null) return; // the hint of our own rename
      if (found.fresh || last) {
        // What was entered below it may lie in the folder that stood there before.
        if (found.fresh) leave(entered, at);
        this.#spawn(this.#listAt(at, found.fresh));
        return;
      }
      const next = this.#enter(folder, found.dir, name, this.#options.sink);
      if (next === null) return;
      leave(entered, entered.size < MAX_ENTERED ? at : '');
      entered.set(at, { folder: next, dir: found.dir });
      folder = next;
      dir = found.dir;
    }
    this.#spawn(this.#listAt('', false));
  }

  /** Lists the folder at a path, from the root down; a new one is told when it was read to the end. */
  async #listAt(path: Path, deep: boolean): Promise<void> {
    const root = this.openRoot();
    if (root === null) return;
    const opened: Folder[] = [root];
    try {
      let folder = root;
      let dir = this.known;
      for (const name of path === '' ? [] : path.split('/')) {
        const next = dir.building.get(name) ?? dir.children.get(name);
        if (next?.kind !== 'dir') return;
        const entered = this.#enter(folder, next, name, this.#options.sink);
        if (entered === null) return;
        opened.push(entered);
        folder = entered;
        dir = next;
      }
      await this.#list(folder, dir, path, deep, this.#options.sink, briskPacer());
      this.#built(dir, this.#options.sink);
    } finally {
      for (const folder of opened) folder.close();
    }
  }

  #spawn(work: Promise<void>): void {
    const task: Promise<void> = work
      .catch((error: unknown) => this.#options.failed(error))
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #list(folder: Folder, dir: SeenDir, path: Path, deep: boolean, sink: Sink, pacer: Pacer): Promise<void> {
    // Watched before it is listed: what appears in between is hinted or listed, or both.
    dir.uncover ??= this.#options.cover(folder, dir);
    const names = namesIn(folder);
    let ignored = false;
    for (const [name, valid] of names) {
      if (!dir.attached || this.#closed) return;
      if (!valid) {
        this.#other(dir, name, opaque('name'), sink);
        continue;
      }
      const at = join(path, name);
      const found = this.#entry(folder, dir, name, at, sink, true);
      if (found === 'ignored') ignored = true;
      else if (found !== null && (deep || found.fresh)) {
        const sub = this.#enter(folder, found.dir, name, sink);
        if (sub !== null) {
          try {
            await this.#list(sub, found.dir, at, deep || found.fresh, sink, pacer);
            this.#built(found.dir, sink);
          } catch (error) {
            if (isGone(error)) this.visit([at]);
            else if (isDenial(error)) this.#other(dir, name, opaque('unreadable'), sink);
            else throw error;
          } finally {
            sub.close();
          }
        }
      }
      if (pacer.due()) await pacer.rest();
    }
    for (const name of dir.children.keys()) {
      if (names.has(name) || !dir.attached) continue;
      // Looked at again, not taken for gone: it may have come after the listing.
      if (name.includes('\uFFFD')) this.#gone(folder, dir, name, join(path, name), sink);
      else this.#entry(folder, dir, name, join(path, name), sink);
    }
    setIgnored(dir, ignored, sink);
  }

  #built(dir: SeenDir, sink: Sink): void {
    const parent = dir.parent;
    if (!dir.attached || parent?.building.get(dir.name) !== dir) return;
    parent.building.delete(dir.name);
    set(parent, dir.name, dir, sink);
  }

  #enter(folder: Folder, dir: SeenDir, name: string, sink: Sink): Folder | null {
    try {
      return this.#options.walker.enter(folder, name);
    } catch (error) {
      if (dir.parent === null || isGone(error)) return null;
      if (!isDenial(error)) throw error;
      this.#other(dir.parent, name, opaque('unreadable'), sink);
      return null;
    }
  }

  /** Looks at one entry; `listed`: the name is as the folder spells it. A folder is returned, to be listed where it is `fresh`. */
  #entry(folder: Folder, dir: SeenDir, name: string, path: Path, sink: Sink, listed = false): Found | 'ignored' | null {
    let stat: BigIntStats | undefined;
    try {
      if (listed || isSpelled(folder, name, this.#options.caseSensitive)) {
        stat = lstatSync(folder.at(name), { bigint: true, throwIfNoEntry: false });
      }
    } catch (error) {
      if (!isDenial(error)) throw error;
      this.#other(dir, name, opaque('unreadable'), sink);
      return null;
    }
    if (stat === undefined) {
      // A name that is no UTF-8 comes like this and cannot be asked for: only a listing tells.
      if (name.includes('\uFFFD')) this.#spawn(this.#listAt(pathOf(dir), false));
      else this.#gone(folder, dir, name, path, sink);
      return null;
    }
    if (stat.isDirectory()) return this.#dir(dir, name, path, stat, sink);
    if (this.#proven !== null && this.#isProven(this.#proven, dir, name, path, stat, sink)) return null;
    if (!this.#isOurs(dir, name, path, false)) {
      if (!holdsVisible(dir)) setIgnored(dir, true, sink);
      return 'ignored';
    }
    if (stat.dev !== this.#rootDevice || this.#mounts.has(path)) this.#other(dir, name, opaque('mount'), sink);
    else if (stat.isFile()) this.#file(folder, dir, name, path, stat, sink);
    else if (stat.isSymbolicLink()) this.#link(folder, dir, name, path, sink);
    else this.#other(dir, name, opaque('special'), sink);
    return null;
  }

  /** Takes a file for what an earlier endpoint knew of it, when it is that very file, and untouched. */
  #isProven({ files, ruled }: Proven, dir: SeenDir, name: string, path: Path, stat: BigIntStats, sink: Sink): boolean {
    const known = dir.children.has(name) ? undefined : files.get(path);
    if (known?.stamp !== stampOf(stat) || !(ruled || this.#isOurs(dir, name, path, false))) return false;
    this.#dropBuild(dir, name);
    set(dir, name, { kind: 'file', node: known.node, stamp: known.stamp, freshUntil: 0 }, sink);
    return true;
  }

  #isOurs(dir: SeenDir, name: string, path: Path, isDir: boolean): boolean {
    const old = dir.children.get(name);
    if (old !== undefined && (old.kind === 'dir') === isDir) return true;
    return path !== OWN_FOLDER && !this.#options.ignored(path, isDir);
  }

  #gone(folder: Folder, dir: SeenDir, name: string, path: Path, sink: Sink): void {
    this.#unsettled.delete(path);
    this.#dropBuild(dir, name);
    // When the last entry goes, it matters whether ignored ones are left.
    if (dir.children.size <= 1 && dir.parent !== null) setIgnored(dir, this.#holdsIgnored(folder, dir), sink);
    set(dir, name, null, sink);
  }

  #holdsIgnored(folder: Folder, dir: SeenDir): boolean {
    try {
      for (const name of namesIn(folder).keys()) if (!dir.children.has(name) && !dir.building.has(name)) return true;
    } catch {
      // The folder itself went away; its parent's hint tells.
    }
    return false;
  }

  #dir(dir: SeenDir, name: string, path: Path, stat: BigIntStats, sink: Sink): Found | 'ignored' | null {
    const id = idOf(stat);
    const old = dir.children.get(name);
    const known = old?.kind === 'dir' ? old : dir.building.get(name);
    if (known === undefined && !this.#isOurs(dir, name, path, true)) {
      if (!holdsVisible(dir)) setIgnored(dir, true, sink);
      return 'ignored';
    }
    if (stat.dev !== this.#rootDevice || this.#mounts.has(path)) {
      this.#other(dir, name, opaque('mount'), sink);
      return null;
    }
    if (known?.id === id) return { dir: known, fresh: false, asPlaced: known.placedAt === stat.ctimeNs };
    if (known !== undefined) {
      // Another folder took its place: what is equal in it is not told again.
      known.id = id;
      known.uncover?.();
      known.uncover = null;
      return { dir: known, fresh: true, asPlaced: false };
    }
    const child = newDir(id, name, dir, dir.build ?? { files: [], bytes: 0 });
    // What stood here stays told until the folder was read: a part of it must never look like the whole.
    if (dir.build === null) dir.building.set(name, child);
    else set(dir, name, child, sink);
    return { dir: child, fresh: true, asPlaced: false };
  }

  #link(folder: Folder, dir: SeenDir, name: string, path: Path, sink: Sink): void {
    let target: Buffer;
    try {
      target = readlinkSync(folder.at(name), { encoding: 'buffer' });
      folder.verify();
    } catch (error) {
      if (!isDenial(error) && !isGone(error)) throw error;
      this.#other(dir, name, opaque('unreadable'), sink);
      return;
    }
    const text = target.toString();
    const inside = isUtf8(target) && staysInside(path, text);
    this.#other(dir, name, inside ? { kind: 'link', target: text } : opaque('outside-link'), sink);
  }

  #other(dir: SeenDir, name: string, node: LinkNode | OpaqueNode, sink: Sink): void {
    this.#dropBuild(dir, name);
    const old = dir.children.get(name);
    if (old?.kind === 'other' && sameEntry(old.node, node)) return;
    set(dir, name, { kind: 'other', node }, sink);
  }

  #dropBuild(dir: SeenDir, name: string): void {
    const build = dir.building.get(name);
    if (build === undefined) return;
    detach(build);
    dir.building.delete(name);
  }

  #file(folder: Folder, dir: SeenDir, name: string, path: Path, stat: BigIntStats, sink: Sink): void {
    const seen = dir.children.get(name);
    const old = seen?.kind === 'file' ? seen : undefined;
    if (old !== undefined && old.stamp === stampOf(stat)) {
      if (old.freshUntil === 0) {
        this.#unsettled.delete(path);
        return;
      }
      // The hints of our own writes: each is read again once, when its stamp proves something.
      const wait = this.#unsettled.get(path);
      if (wait?.why === 'own' && performance.now() < wait.due) return;
    }
    if (this.#mustWait(path, stat, old)) return;
    try {
      const fd = openFile(folder.at(name));
      let handedOn = false;
      try {
        folder.verify();
        const before = fstatSync(fd, { bigint: true });
        if (!before.isFile() || before.dev !== this.#rootDevice) return;
        this.#dropBuild(dir, name);
        handedOn = this.#readNow(fd, dir, name, path, before, sink);
      } finally {
        if (!handedOn) closeSync(fd);
      }
    } catch (error) {
      if (isGone(error)) return; // Replaced or deleted since; the hint of that is on its way.
      if (!isDenial(error)) throw error;
      this.#other(dir, name, opaque('unreadable'), sink);
    }
  }

  /** True while a look at this file must wait: just truncated, being read, or moving and not due yet. */
  #mustWait(path: Path, stat: BigIntStats, old: SeenFile | undefined): boolean {
    const now = performance.now();
    const wait = this.#unsettled.get(path);
    if (wait?.why === 'reading') return true;
    if (stat.size === 0n && old?.node.size !== 0 && this.#options.without !== 'empty-hold') {
      const stamp = stampOf(stat);
      // It may have been filled and truncated again since the last look.
      const since = wait?.why === 'empty' && wait.stamp === stamp ? wait.since : now;
      if (now - since >= EMPTY_HOLD || !isWithin(stat, EMPTY_HOLD)) return false;
      this.#unsettled.put(path, { why: 'empty', since, due: since + EMPTY_HOLD, size: 0, stamp });
      return true;
    }
    return (wait?.why === 'moving' || wait?.why === 'again') && now < wait.due;
  }

  /** Reads a small file that rests; leaves the others to `#readLater`, which takes over the descriptor: then true. */
  #readNow(fd: number, dir: SeenDir, name: string, path: Path, before: BigIntStats, sink: Sink): boolean {
    const now = performance.now();
    const wait = this.#unsettled.get(path);
    const { since, size } = wait?.why === 'moving' ? wait : { since: now, size: Number(before.size) };
    const young = this.#isYoung(before);
    if (now - since >= MOVING_LIMIT || (before.size > SMALL && !young)) {
      this.#readLater(fd, dir, name, path, since, size);
      return true;
    }
    const reading = before.size > SMALL ? null : readSmall(fd, before, young);
    if (reading !== null) this.#read(dir, name, path, reading, sink);
    else
      this.#unsettled.put(path, { why: 'moving', since, size, due: now + Math.max(MOVING_RETRY, this.#options.grain) });
    return false;
  }

  #readLater(fd: number, dir: SeenDir, name: string, path: Path, since: number, size: number): void {
    const seen = dir.children.get(name);
    const started = performance.now();
    this.#unsettled.put(path, { why: 'reading', since, size, due: Infinity });
    this.#spawn(
      withFile(fd, async () => {
        const reading = await readAny(fd, this.#options.without !== 'steady-read');
        const exec = this.#options.execBit && isExec(fstatSync(fd, { bigint: true }));
        const overdue = reading === null && started - since >= MOVING_LIMIT;
        const prefix = overdue ? await steadyPrefix(fd, size, exec) : undefined;
        if (this.#closed) return;
        if (!dir.attached || dir.children.get(name) !== seen) {
          this.#unsettled.delete(path);
          return;
        }
        const now = performance.now();
        const pause = (least: number) => now + Math.max(least, COST_RATIO * (now - started));
        if (reading !== null) {
          this.#read(dir, name, path, reading, this.#options.sink);
        } else if (prefix === undefined) {
          this.#unsettled.put(path, { why: 'moving', since, size, due: pause(MOVING_RETRY) });
        } else {
          if (prefix === null) this.#other(dir, name, opaque('busy'), this.#options.sink);
          else this.#tellFile(dir, name, prefix, '', Infinity, this.#options.sink);
          this.#unsettled.put(path, { why: 'again', since: now, size, due: pause(MOVING_LIMIT) });
        }
      }),
    );
  }

  #read(dir: SeenDir, name: string, path: Path, { digest, stat, data }: Reading, sink: Sink): void {
    const seen = dir.children.get(name);
    const freshUntil = this.#freshUntil(stat, seen?.kind === 'file' ? seen : undefined);
    const exec = this.#options.execBit && isExec(stat);
    const node: FileNode = { kind: 'file', digest, size: Number(stat.size), exec };
    this.#tellFile(dir, name, node, stampOf(stat), freshUntil, sink, data);
    this.#settle(path, freshUntil);
  }

  #tellFile(
    dir: SeenDir,
    name: string,
    found: FileNode,
    stamp: string,
    freshUntil: number,
    sink: Sink,
    data?: Buffer,
  ): void {
    const old = dir.children.get(name);
    const node = old?.kind === 'file' && sameEntry(old.node, found) ? old.node : found;
    set(dir, name, { kind: 'file', node, stamp, freshUntil }, sink, data);
  }

  #settle(path: Path, freshUntil: number, why: 'fresh' | 'own' = 'fresh'): void {
    if (freshUntil === 0) this.#unsettled.delete(path);
    else this.#unsettled.put(path, { why, since: performance.now(), due: freshUntil, size: 0 });
  }

  /** Zero when the stamp proves from now on that the file was not touched. */
  #freshUntil(stat: BigIntStats, old: SeenFile | undefined): number {
    const now = performance.now();
    if (old?.stamp === stampOf(stat)) return old.freshUntil <= now ? 0 : old.freshUntil;
    return this.#isYoung(stat) ? now + this.#options.grain : 0;
  }

  #isYoung(stat: BigIntStats): boolean {
    return isWithin(stat, this.#options.grain);
  }
}

/** The folder at `path` and those below it are entered again when they are needed; '' means all but the root. */
function leave(entered: Entered, path: Path): void {
  for (const [at, { folder }] of entered) {
    if (at === '' || (path !== '' && at !== path && !at.startsWith(`${path}/`))) continue;
    folder.close();
    entered.delete(at);
  }
}

/** A prefix that is the same in two looks, while the file grows; null when it is not. */
async function steadyPrefix(fd: number, size: number, exec: boolean): Promise<FileNode | null> {
  const digest = await digestOfFile(fd, size);
  if (digest === null || digest !== (await digestOfFile(fd, size))) return null;
  return { kind: 'file', digest, size, exec };
}

/** False where only an entry of another spelling (case, Unicode form) answers to the name. */
export function isSpelled(folder: Folder, name: string, caseSensitive: boolean): boolean {
  return caseSensitive || namesIn(folder).has(name);
}

/** Names in a folder and whether each is valid UTF-8; those that are not appear as they would be printed. */
function namesIn(folder: Folder): Map<string, boolean> {
  const names = readdirSync(folder.here);
  folder.verify();
  // A name with U+FFFD in it may be one or may stand for bytes that are none.
  if (!names.some((name) => name.includes('\uFFFD'))) return new Map(names.map((name) => [name, true]));
  const raw = readdirSync(folder.here, { encoding: 'buffer' });
  const valid = new Map(raw.filter((name) => isUtf8(name)).map((name) => [name.toString(), true]));
  for (const name of raw) if (!isUtf8(name)) valid.set(name.toString(), false);
  return valid;
}

function isWithin(stat: BigIntStats, ms: number): boolean {
  return Date.now() - Number(stat.ctimeNs) / 1e6 < ms;
}

function isSameContent(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

function idOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}`;
}

function opaque(reason: OpaqueReason): OpaqueNode {
  return { kind: 'opaque', reason };
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE', 'ENXIO'].includes(codeOf(error));
}

/** It is there and cannot be read: a matter of that part alone. */
function isDenial(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EIO', 'EBUSY', 'ENAMETOOLONG', 'EINVAL'].includes(codeOf(error));
}
