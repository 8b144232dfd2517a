import { DEFAULT_LIMITS } from '../engine/sync/limits.ts';

const DAY = 24 * 3600 * 1000;

/** How long what sync replaced can come back. */
export const KEPT = `kept for ${DEFAULT_LIMITS.age / DAY} days, up to ${DEFAULT_LIMITS.size / 1024 ** 3} GiB`;
