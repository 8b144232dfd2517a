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
