/**
 * One side of a synchronisation: a real directory on the host, the same code in the container behind the link, or a
 * virtual disk in the simulator. All three pass the same contract tests (test/contract/endpoint.ts).
 */
import type { Digest, DirNode, Entry, FileNode, Node, Path } from './tree.ts';

/** Content up to this size travels inside the message that announces it. Bytes. */
export const INLINE_LIMIT = 64 * 1024;
/** A victim up to this size travels inside the outcome that reports its replacement. Bytes. */
export const VICTIM_INLINE_LIMIT = 1024 * 1024;

/** What the file system under the root can do; probed once when the endpoint is opened. */
export interface EndpointInfo {
  /** The root as it was opened, for messages. */
  readonly root: string;
  /** False when nothing can be created in the root; then `apply` fails with `read-only`. */
  readonly writable: boolean;
  readonly hardLinks: boolean;
  readonly symlinks: boolean;
  readonly execBit: boolean;
  readonly caseSensitive: boolean;
  /** True when the root itself is a mount point (bind mount or volume). */
  readonly mount: boolean;
}

export interface Scan {
  /** Null when the root does not exist or is no directory. */
  readonly root: DirNode | null;
}

/**
 * One path as it was found after a hint: re-stated and re-hashed, never the event itself. `node` is the whole subtree;
 * null when nothing is there. `data` holds the bytes of a file up to INLINE_LIMIT.
 */
export interface Observation {
  readonly path: Path;
  readonly node: Node | null;
  readonly data?: Uint8Array;
}

export interface Change {
  readonly path: Path;
  /** What the side is expected to hold; the side refuses when it holds something else. */
  readonly before: Entry | null;
  readonly after: Entry | null;
}

/** Bytes of the files that a batch creates or replaces: inline, or fetched from the other side. */
export interface ContentSource {
  /** Content by digest. Rejects with ContentMoved when the other side no longer holds it. */
  open(digest: Digest, path: Path): AsyncIterable<Uint8Array>;
  /** All of it, where it lies in memory. */
  atHand?(digest: Digest): Uint8Array | undefined;
}

export class ContentMoved extends Error {
  override readonly name = 'ContentMoved';
}

/** What a change replaced or deleted; only files have one. */
export interface Victim {
  readonly digest: Digest;
  readonly size: number;
  readonly exec: boolean;
  /** Present up to VICTIM_INLINE_LIMIT. */
  readonly data?: Uint8Array;
  /** Handle for `readHeld` and `release`: until then the endpoint keeps it, so that a lost answer loses nothing. Absent only where it cannot. */
  readonly held?: string;
}

/** A victim that waits for its `release`. */
export interface Left {
  readonly path: Path;
  readonly before: FileNode;
  readonly after: Entry | null;
  readonly held: string;
}

/** Of those that wait, `left` tells at most so many: two batches. */
export const LEFT_LIMIT = 4_000;

export type Outcome =
  | { readonly path: Path; readonly result: 'done'; readonly victim?: Victim }
  /** The disk has moved on: `found` is news for the next round, not an error. */
  | { readonly path: Path; readonly result: 'refused'; readonly found: Node | null; readonly data?: Uint8Array }
  | { readonly path: Path; readonly result: 'failed'; readonly reason: ApplyFailure; readonly message: string };

export type ApplyFailure =
  | 'read-only'
  | 'no-permission'
  | 'no-space'
  | 'name'
  | 'content-moved'
  /** The folder to delete still holds ignored entries, or one stands where a file should be. */
  | 'occupied'
  | 'unsupported'
  | 'io';

export interface Watch {
  close(): Promise<void>;
}

export interface Endpoint {
  readonly info: EndpointInfo;

  /** A full look at the folder. What did not change since the last scan by (device, inode, size, mtime ns, ctime ns) is not read again. */
  scan(): Promise<Scan>;

  /**
   * Reports what differs from the last state that was scanned, observed or applied; own writes are not echoed (by
   * digest). `onLost` says that hints may be missing (overflow, stall, watch limit): the session then scans.
   */
  watch(onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void): Promise<Watch>;

  /** The bytes of `path` if it still has `digest`; rejects with ContentMoved otherwise, before the last chunk at the latest. */
  read(path: Path, digest: Digest): AsyncIterable<Uint8Array>;

  /**
   * Applies a batch in order: deletes before creates, parents before children. Resolves when every `done` change is
   * visible and durable; one outcome a change, in order. Each path is wholly old or wholly new at every instant. What a
   * file holds that goes in the same batch is taken from there where it can be: a move outlives the other side.
   */
  apply(batch: readonly Change[], content: ContentSource): Promise<readonly Outcome[]>;

  /** Victims whose outcome may not have been heard: what earlier endpoints left included. Never those of a batch under way. */
  left(): Promise<readonly Left[]>;
  /** Rejects with ContentMoved when it is held no more. */
  readHeld(held: string): AsyncIterable<Uint8Array>;
  release(held: readonly string[]): Promise<void>;

  /** Re-checks held descriptors, empties the staging folder of all but what was not released, and closes. */
  close(): Promise<void>;
}
