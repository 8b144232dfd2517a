/** How much of what sync replaced is kept, and for how long. */
export interface JournalLimits {
  /** Bytes on the disk. */
  readonly size: number;
  /** Bytes that an action counts at least: there are never more than `size / least`, on the disk and in memory. */
  readonly least: number;
  /** Milliseconds. */
  readonly age: number;
}

export const DEFAULT_LIMITS: JournalLimits = { size: 1024 ** 3, least: 20 * 1024, age: 7 * 24 * 3600 * 1000 };
