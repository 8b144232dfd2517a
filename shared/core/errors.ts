/**
 * Errors that a user can meet and mend. Everything else that is thrown is a bug and is shown with its stack.
 *
 * A message says what failed and on what; the hint says what to do next. An adapter wraps what it caught once, with
 * `cause`; nobody logs and rethrows.
 */

/** 0 done · 1 what was checked is not well · 2 wrong usage · 3 no engine, container or agent · 4 refused by a safety brake · 5 finished, with conflicts left. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5;

const EXIT_CODES = {
  /** A check ran and its answer is "not well": a failed reload, probe or build. */
  'not-well': 1,
  /** Wrong flags or arguments, or a choice that must be named and was not. */
  usage: 2,
  'no-engine': 3,
  /** The engine is there and this user may not use it. */
  'no-permission': 3,
  'no-container': 3,
  'not-running': 3,
  /** The container cannot hold the agent: no glibc, read-only root, unknown architecture. */
  'no-agent': 3,
  /** The link to the agent broke and did not come back. */
  'link-lost': 3,
  /** Both ends speak different versions of the protocol. */
  'version-mismatch': 3,
  /** The other end sent what the protocol does not allow. */
  'protocol-violation': 3,
  /** The name or port that was asked for is taken by something that is not ours. */
  taken: 4,
  /** A safety brake stopped the synchronisation; nothing was changed. */
  halted: 4,
  conflicts: 5,
  /** A file or folder could not be read or written. */
  io: 1,
  /** The operation was cancelled by the user. */
  cancelled: 1,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof EXIT_CODES;

export interface ErrorInfo {
  readonly code: ErrorCode;
  /** What failed, on what. One sentence, without the trailing hint. */
  readonly message: string;
  /** What to do next; absent only where nothing can be done. */
  readonly hint?: string;
}

export class DrydockError extends Error {
  override readonly name = 'DrydockError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): ExitCode {
    return EXIT_CODES[this.code];
  }

  /** The form in which an error crosses the wire or a worker thread. */
  toInfo(): ErrorInfo {
    return this.hint === undefined
      ? { code: this.code, message: this.message }
      : { code: this.code, message: this.message, hint: this.hint };
  }

  static fromInfo(info: ErrorInfo): DrydockError {
    return new DrydockError(info.code, info.message, { hint: info.hint });
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(EXIT_CODES, text);
}
