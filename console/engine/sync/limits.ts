/** How much of what sync replaced is kept, and for how long. */
export interface JournalLimits {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds. */
  readonly age: number;
}

export const DEFAULT_LIMITS: JournalLimits = { size: 1024 ** 3, age: 7 * 24 * 3600 * 1000 };
