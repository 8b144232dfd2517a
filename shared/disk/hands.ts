/** What every step of an apply works with, and how a step ends before its end. */
import type { ApplyFailure, Change, Victim } from '../core/sync/endpoint.ts';
import type { Path } from '../core/sync/tree.ts';
import type { Owner } from './attributes.ts';
import { codeOf } from './errno.ts';
import type { Exchange, MoveToFree } from './rename.ts';
import type { LateWrites } from './late.ts';
import type { Looker } from './look.ts';
import type { Capabilities } from './probe.ts';
import type { Stage } from './stage.ts';
import type { Staged } from './staged.ts';
import type { Syncer } from './syncing.ts';
import type { Folder, Walker } from './walk.ts';
import type { Whole } from './whole.ts';

/**
 * What keeps bytes safe while a disk is looked at and changed, each by itself; a test leaves one out and must then lose
 * something.
 *
 * `before` what is replaced is what was expected · `last-look` it still is, just before it is · `exchange` what is
 * replaced is moved away and looked at again · `quarantine` what is deleted is · `recovery` what a killed process left
 * there comes back · `late-writes` what is written into it afterwards is kept · `empty-hold` a file that was just
 * truncated is waited for · `steady-read` a file counts as read only if it did not move meanwhile · `paths` only names
 * below the root are acted on · `links` no link that leads out is made · `ignores` what is ignored is left alone, also when
 * the other side asks for it.
 */
export type Measure =
  | 'before'
  | 'last-look'
  | 'exchange'
  | 'quarantine'
  | 'recovery'
  | 'late-writes'
  | 'empty-hold'
  | 'steady-read'
  | 'paths'
  | 'links'
  | 'ignores';

export interface Hands {
  readonly walker: Walker;
  readonly root: string;
  readonly can: Capabilities;
  readonly stage: Stage;
  /** Null where the file system has none. */
  readonly exchange: Exchange | null;
  /** Null where the file system has none. */
  readonly moveToFree: MoveToFree | null;
  readonly syncer: Syncer;
  readonly looker: Looker;
  readonly late: LateWrites;
  readonly owner: Owner | undefined;
  /** For tests. */
  readonly without: Measure | undefined;
  ignored(path: Path, isDir: boolean): boolean;
  /** Puts a file of the staging folder back to its path, or beside it where something else stands there by now. */
  putBack(path: Path, stage: Folder, name: string): Promise<void>;
}

/** One change while it is made: the folder is open, the staging folder too. */
export interface Step {
  readonly hands: Hands;
  readonly stage: Folder;
  readonly parent: Folder;
  readonly name: string;
  readonly path: Path;
  readonly change: Change;
  /** Present when `after` is a file whose bytes are needed. */
  readonly staged: Staged | undefined;
  /** Present when `after` is a new folder that was made ready with what goes into it. */
  readonly whole: Whole | undefined;
}

export type Done = { readonly victim?: Victim };

/** The disk holds something else than was expected. */
export class Moved extends Error {
  override readonly name = 'Moved';
}

/** The change cannot be made. */
export class Failed extends Error {
  override readonly name = 'Failed';
  readonly reason: ApplyFailure;

  constructor(reason: ApplyFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

const REASONS: Readonly<Record<string, ApplyFailure>> = {
  EROFS: 'read-only',
  EACCES: 'no-permission',
  EPERM: 'no-permission',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EFBIG: 'no-space',
  ENAMETOOLONG: 'name',
  EINVAL: 'name',
  EILSEQ: 'name',
  EXDEV: 'unsupported',
  EBUSY: 'unsupported',
  ENOTSUP: 'unsupported',
  EOPNOTSUPP: 'unsupported',
};

/** What a system error means for a change: gone or replaced underfoot is news, the rest is a failure. */
export function judge(error: unknown, path: Path): Moved | Failed {
  if (error instanceof Moved || error instanceof Failed) return error;
  const code = codeOf(error);
  if (code === '') throw error;
  if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EEXIST', 'ESTALE', 'EISDIR'].includes(code))
    return new Moved(path, { cause: error });
  const text = error instanceof Error ? error.message : code;
  return new Failed(REASONS[code] ?? 'io', `${path}: ${text}`, error);
}
