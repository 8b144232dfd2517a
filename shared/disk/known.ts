/**
 * What this end last told of its folder, with what is needed to see that it changed.
 *
 * Everything that is found goes through `set`, which says what there is to tell. Two kinds of folders are kept here
 * and are not part of the tree: one that holds nothing but ignored entries (`shown` is false), and a new one while it
 * is being read (`build`), which is told whole, once, when it was read to the end.
 */
import { INLINE_LIMIT } from '../core/sync/endpoint.ts';
import type { Observation } from '../core/sync/endpoint.ts';
import { join } from '../core/sync/tree.ts';
import type { DirNode, FileNode, LinkNode, Node, OpaqueNode, Path } from '../core/sync/tree.ts';

export interface SeenFile {
  readonly kind: 'file';
  readonly node: FileNode;
  readonly stamp: string;
  /** Until this time (monotonic, ms) the stamp proves nothing: a write in the same clock tick leaves it as it is. 0: it proves. */
  readonly freshUntil: number;
}

/** Files of an earlier look, each with the stamp that proves it: one that has this stamp still need not be read again. */
export type ProvenFiles = ReadonlyMap<Path, Pick<SeenFile, 'node' | 'stamp'>>;

/** `ruled`: by the same ignore rules as now, so that none of them is ignored. */
export interface Proven {
  readonly files: ProvenFiles;
  readonly ruled: boolean;
}

export const NOTHING_PROVEN: Proven = { files: new Map(), ruled: false };

export interface SeenOther {
  readonly kind: 'other';
  readonly node: LinkNode | OpaqueNode;
}

export interface SeenDir {
  readonly kind: 'dir';
  /** Device and inode. */
  id: string;
  readonly name: string;
  readonly parent: SeenDir | null;
  readonly children: Map<string, Seen>;
  /** New folders that are being read and were not told yet. */
  readonly building: Map<string, SeenDir>;
  build: Build | null;
  /** It holds ignored entries. */
  ignored: boolean;
  /** It was told to be there. */
  shown: boolean;
  /** False once it is no longer part of the tree. */
  attached: boolean;
  /** Ends the watch of this folder. */
  uncover: (() => void) | null;
  /** Nanoseconds: its ctime when `apply` had brought it; 0n where it has not. */
  placedAt: bigint;
  node: DirNode | null;
}

export type Seen = SeenFile | SeenOther | SeenDir;

/** A new folder that is being read: the bytes of its small files, told after it. */
export interface Build {
  readonly files: Observation[];
  bytes: number;
}

/** Where news goes; `data` says whether bytes of small files are wanted. */
export interface Sink {
  readonly data: boolean;
  tell(observation: Observation): void;
}

/** Bytes of small files that are kept while a new folder is read. */
const BUILD_LIMIT = 4 * 1024 * 1024;

export function newDir(id: string, name: string, parent: SeenDir | null, build: Build | null): SeenDir {
  return {
    kind: 'dir',
    id,
    name,
    parent,
    children: new Map(),
    building: new Map(),
    build,
    ignored: false,
    shown: parent === null,
    attached: true,
    uncover: null,
    placedAt: 0n,
    node: null,
  };
}

export function pathOf(dir: SeenDir): Path {
  return dir.parent === null ? '' : join(pathOf(dir.parent), dir.name);
}

export function nodeOf(seen: Seen): Node {
  return seen.kind === 'dir' ? dirNodeOf(seen) : seen.node;
}

/** All files whose stamps prove something. */
export function provenIn(root: SeenDir): ProvenFiles {
  const files = new Map<Path, SeenFile>();
  const look = (dir: SeenDir, at: Path) => {
    for (const [name, seen] of dir.children) {
      if (seen.kind === 'dir') look(seen, join(at, name));
      else if (seen.kind === 'file' && seen.freshUntil === 0) files.set(join(at, name), seen);
    }
  };
  look(root, '');
  return files;
}

/** The tree below a folder; the same object as long as nothing in it changes. */
export function dirNodeOf(dir: SeenDir): DirNode {
  if (dir.node !== null) return dir.node;
  const children = new Map<string, Node>();
  for (const [name, child] of dir.children) if (isVisible(child)) children.set(name, nodeOf(child));
  dir.node = { kind: 'dir', children };
  return dir.node;
}

export function isVisible(seen: Seen): boolean {
  return seen.kind !== 'dir' || seen.parent === null || !seen.ignored || holdsVisible(seen);
}

export function holdsVisible(dir: SeenDir): boolean {
  for (const child of dir.children.values()) if (isVisible(child)) return true;
  return false;
}

/** What stands at a path; undefined when nothing does, or nothing that was told. */
export function find(root: SeenDir, names: readonly string[]): Seen | undefined {
  let seen: Seen | undefined = root;
  for (const name of names) {
    if (seen?.kind !== 'dir') return undefined;
    seen = seen.children.get(name);
  }
  return seen;
}

/** `name` in `dir` is now `seen` (null: nothing). `data` are the bytes of a small file. */
export function set(dir: SeenDir, name: string, seen: Seen | null, sink: Sink, data?: Uint8Array): void {
  const old = dir.children.get(name);
  if (old === seen || (old === undefined && seen === null)) return;
  const wasShown = old !== undefined && (old.kind !== 'dir' || old.shown);
  if (old?.kind === 'dir') detach(old);
  if (seen === null) dir.children.delete(name);
  else dir.children.set(name, seen);
  if (old !== undefined && seen !== null && old.kind !== 'dir' && seen.kind !== 'dir' && old.node === seen.node) return;
  forget(dir);

  const files = seen?.kind === 'dir' ? finish(seen, dir) : fileOf(dir, name, seen, sink, data);
  if (dir.build !== null) {
    for (const file of files) keep(dir.build, file);
  } else if (tellAbove(dir, sink)) {
    for (const file of files) sink.tell(file);
  } else if (dir.shown && seen !== null && isVisible(seen)) {
    if (seen.kind === 'dir') mark(seen, true);
    if (seen.kind === 'dir' || files.length === 0) sink.tell({ path: join(pathOf(dir), name), node: nodeOf(seen) });
    for (const file of files) sink.tell(file);
  } else if (wasShown) {
    sink.tell({ path: join(pathOf(dir), name), node: null });
  }
}

/** `dir` holds ignored entries, or no longer does. */
export function setIgnored(dir: SeenDir, ignored: boolean, sink: Sink): void {
  if (dir.ignored === ignored) return;
  dir.ignored = ignored;
  if (dir.parent !== null) forget(dir.parent);
  if (dir.build === null) tellAbove(dir, sink);
}

function fileOf(dir: SeenDir, name: string, seen: Seen | null, sink: Sink, data?: Uint8Array): readonly Observation[] {
  if (seen?.kind !== 'file' || data === undefined || !sink.data || data.length > INLINE_LIMIT) return [];
  return [{ path: join(pathOf(dir), name), node: seen.node, data }];
}

/** Ends the reading of a new folder, unless the one that it lies in is being read itself. */
function finish(seen: SeenDir, dir: SeenDir): readonly Observation[] {
  if (dir.build !== null) return [];
  const files = seen.build?.files ?? [];
  mark(seen, false);
  return files;
}

function keep(build: Build, told: Observation): void {
  build.bytes += told.data?.length ?? 0;
  if (build.bytes <= BUILD_LIMIT) build.files.push(told);
}

/** Tells the highest folder at or above `dir` that came into the tree or left it. */
function tellAbove(dir: SeenDir, sink: Sink): boolean {
  let top: SeenDir | null = null;
  for (let at: SeenDir | null = dir; at !== null; at = at.parent) if (at.shown !== isVisible(at)) top = at;
  if (top === null) return false;
  const visible = isVisible(top);
  mark(top, visible);
  sink.tell({ path: pathOf(top), node: visible ? dirNodeOf(top) : null });
  return true;
}

function mark(dir: SeenDir, shown: boolean): void {
  dir.shown = shown;
  dir.build = null;
  for (const child of dir.children.values()) if (child.kind === 'dir') mark(child, shown && isVisible(child));
}

/** Forgets the trees made of this folder and those above it. */
function forget(dir: SeenDir): void {
  for (let at: SeenDir | null = dir; at !== null; at = at.parent) at.node = null;
}

/** Takes a folder out of the tree for good and ends its watches. */
export function detach(dir: SeenDir): void {
  for (const each of dirsFrom(dir)) each.attached = false;
  uncover(dir);
}

/** Ends the watches of a folder and of those below it. */
export function uncover(dir: SeenDir): void {
  for (const each of dirsFrom(dir)) {
    each.uncover?.();
    each.uncover = null;
  }
}

function* dirsFrom(dir: SeenDir): Generator<SeenDir> {
  yield dir;
  for (const child of dir.children.values()) if (child.kind === 'dir') yield* dirsFrom(child);
  for (const child of dir.building.values()) yield* dirsFrom(child);
}
