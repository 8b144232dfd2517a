/** Time for the session; a simulator brings its own. */
export interface Clock {
  /** Epoch milliseconds with fractions; never goes back. */
  now(): number;
  /** Runs once after so many milliseconds; returns the way to cancel it. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
