/** Azure's arithmetic for how many replicas a load needs, as its troubleshooting guide of 503 has it. */

export interface Load {
  /** Requests a second at the peak. */
  readonly rps: number;
  /** Seconds that a request takes; a high percentile rather than the mean. */
  readonly seconds: number;
  /** The part of the replicas that is busy when more are started: above 0, at most 1. */
  readonly utilization: number;
  /** Requests that a replica works on at once, a whole number. */
  readonly perReplica: number;
}

/** At least 1. */
export function replicasFor({ rps, seconds, utilization, perReplica }: Load): number {
  // 14 × 0.1 ÷ 0.7 is 2 and something of the 16th digit: that is no third replica.
  const exact = (rps * seconds) / (perReplica * utilization);
  return Math.max(1, Math.ceil(Number(exact.toPrecision(12))));
}
