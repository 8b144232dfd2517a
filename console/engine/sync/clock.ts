/** Time for the session; a simulator brings its own. */
export interface Clock {
  /** Epoch milliseconds with fractions; never goes back. */
  now(): number;
  /** Runs once after so many milliseconds; returns the way to cancel it. */
  after(ms: number, run: () => void): () => void;
}

/**
 * Epoch milliseconds that never go back. `wall` tells of the hours that a computer slept, in which `steady` stands still;
 * what is kept is compared with other programs' times.
 */
export function steadyTime(wall: () => number, steady: () => number): () => number {
  let origin = -Infinity;
  return () => {
    const at = steady();
    origin = Math.max(origin, wall() - at);
    return origin + at;
  };
}

export const systemClock: Clock = {
  now: steadyTime(
    () => Date.now(),
    () => performance.now(),
  ),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
