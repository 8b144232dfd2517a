/**
 * What a synchronised folder looks like: immutable trees with structural sharing.
 *
 * Paths are relative to the root, segments joined by `/`, without a leading or trailing one; the root itself is `''`.
 * Trees hold no ignored paths. A folder that holds nothing but ignored entries is not in the tree either, so that
 * deleting `pkg/` on one side settles although `pkg/__pycache__/` stays on the other.
 */

export type Path = string;

/** Lower-case hexadecimal SHA-256 of a file's bytes. */
export type Digest = string;

export interface FileNode {
  readonly kind: 'file';
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly exec: boolean;
}

/** A symbolic link; `target` is as stored, relative and inside the root (others are opaque). */
export interface LinkNode {
  readonly kind: 'link';
  readonly target: string;
}

export interface DirNode {
  readonly kind: 'dir';
  readonly children: ReadonlyMap<string, Node>;
}

/**
 * Something that exists and that synchronisation must leave alone: its subtree is frozen on both sides, and it is
 * never taken for deleted.
 */
export interface OpaqueNode {
  readonly kind: 'opaque';
  readonly reason: OpaqueReason;
}

/**
 * `unreadable` no permission or I/O error · `special` device, fifo, socket · `mount` another file system begins here ·
 * `outside-link` absolute or escaping symbolic link · `name` not representable (invalid UTF-8, case or Unicode
 * collision) · `busy` it kept moving while it was read.
 */
export type OpaqueReason = 'unreadable' | 'special' | 'mount' | 'outside-link' | 'name' | 'busy';

export type Node = FileNode | LinkNode | DirNode | OpaqueNode;

/** One path without what lies below it: what `before` and `after` of a change speak of. */
export type Entry = FileNode | LinkNode | { readonly kind: 'dir' };

export type Side = 'host' | 'container';

export function otherSide(side: Side): Side {
  return side === 'host' ? 'container' : 'host';
}

/** The folder that holds nothing. */
export const EMPTY: DirNode = { kind: 'dir', children: new Map() };

/** Never an opaque node: nothing is ever expected of one, or made into one. */
export function entryOf(node: Node): Entry {
  if (node.kind === 'opaque') throw new TypeError('an opaque node has no entry');
  return node.kind === 'dir' ? { kind: 'dir' } : node;
}

/** Whether two paths hold the same, their children apart. */
export function sameEntry(a: Entry | OpaqueNode | null, b: Entry | OpaqueNode | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  switch (a.kind) {
    case 'file':
      return b.kind === 'file' && a.digest === b.digest && a.exec === b.exec;
    case 'link':
      return b.kind === 'link' && a.target === b.target;
    case 'opaque':
      return b.kind === 'opaque' && a.reason === b.reason;
    case 'dir':
      return b.kind === 'dir';
  }
}

/** Whether two subtrees hold the same; shared nodes are not looked into. */
export function equal(a: Node | null, b: Node | null): boolean {
  if (a === b) return true;
  if (a?.kind !== 'dir' || b?.kind !== 'dir') return sameEntry(a, b);
  if (a.children === b.children) return true;
  if (a.children.size !== b.children.size) return false;
  for (const [name, child] of a.children) {
    const other = b.children.get(name);
    if (other === undefined || !equal(child, other)) return false;
  }
  return true;
}

export function childOf(node: Node | null, name: string): Node | null {
  return node?.kind === 'dir' ? (node.children.get(name) ?? null) : null;
}

export function nodeAt(root: Node | null, path: Path): Node | null {
  if (path === '') return root;
  let node = root;
  for (const name of path.split('/')) node = childOf(node, name);
  return node;
}

export function join(folder: Path, name: string): Path {
  return folder === '' ? name : `${folder}/${name}`;
}

/** '' for what lies in the root. */
export function folderOf(path: Path): Path {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

export function nameOf(path: Path): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folders above a path, nearest first, without the root. */
export function above(path: Path): Path[] {
  const folders: Path[] = [];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) folders.push(path.slice(0, end));
  return folders;
}

/** By UTF-16 code units: the same on every machine and in every locale. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sortedChildren(node: DirNode): [string, Node][] {
  return [...node.children].sort(([a], [b]) => byCodeUnits(a, b));
}

/** Every node below `node` with its path, a folder before what it holds, siblings sorted. */
export function* walk(node: Node, path: Path = ''): Generator<[Path, Node]> {
  if (node.kind !== 'dir') return;
  for (const [name, child] of sortedChildren(node)) {
    const at = join(path, name);
    yield [at, child];
    yield* walk(child, at);
  }
}

/** How many nodes lie below `node`; stops counting at `limit`. */
export function count(node: Node, limit = Infinity): number {
  if (node.kind !== 'dir') return 0;
  let n = node.children.size;
  for (const child of node.children.values()) {
    if (n >= limit) break;
    n += count(child, limit - n);
  }
  return n;
}

export function hasOpaque(node: Node | null): boolean {
  if (node === null) return false;
  if (node.kind === 'opaque') return true;
  if (node.kind !== 'dir') return false;
  for (const child of node.children.values()) if (hasOpaque(child)) return true;
  return false;
}

/** `dir` with the children named in `changes` replaced (null: removed); `dir` itself when nothing differs. */
export function patch(dir: DirNode, changes: Iterable<readonly [string, Node | null]>): DirNode {
  let children: Map<string, Node> | null = null;
  for (const [name, node] of changes) {
    if ((dir.children.get(name) ?? null) === node) continue;
    children ??= new Map(dir.children);
    if (node === null) children.delete(name);
    else children.set(name, node);
  }
  return children === null ? dir : { kind: 'dir', children };
}

/**
 * Many changes to one tree, each folder on the way copied once. Folders above a path come into being with it; what
 * stands there and is no folder gives way.
 */
export class TreeEdit {
  #root: DirNode;
  /** The children of folders that this edit made, and may therefore change in place. */
  readonly #own = new Map<DirNode, Map<string, Node>>();

  constructor(root: DirNode) {
    this.#root = root;
  }

  get root(): DirNode {
    return this.#root;
  }

  /** The whole subtree. The root itself can only be a folder. */
  set(path: Path, node: Node | null): void {
    if (path === '') {
      if (node?.kind !== 'dir') throw new TypeError('the root is a folder');
      this.#root = node;
      return;
    }
    if (node === null && nodeAt(this.#root, path) === null) return;
    this.#root = this.#setIn(this.#root, path.split('/'), 0, node);
  }

  /** The path alone: a folder keeps what it holds. */
  setEntry(path: Path, entry: Entry | null): void {
    if (entry?.kind !== 'dir') this.set(path, entry);
    else if (nodeAt(this.#root, path)?.kind !== 'dir') this.set(path, EMPTY);
  }

  #setIn(dir: DirNode, names: readonly string[], depth: number, node: Node | null): DirNode {
    const name = names[depth];
    if (name === undefined) throw new RangeError('a path without a name');
    const old = dir.children.get(name) ?? null;
    const below = old?.kind === 'dir' ? old : EMPTY;
    const next = depth === names.length - 1 ? node : this.#setIn(below, names, depth + 1, node);
    if (next === old) return dir;
    let owner = dir;
    let children = this.#own.get(dir);
    if (children === undefined) {
      children = new Map(dir.children);
      owner = { kind: 'dir', children };
      this.#own.set(owner, children);
    }
    if (next === null) children.delete(name);
    else children.set(name, next);
    return owner;
  }
}
