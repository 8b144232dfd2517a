import fc from 'fast-check';
import { expect, it } from 'vitest';
import { replicasFor } from '../../../shared/core/replicas.ts';

it.each([
  [{ rps: 20, seconds: 10, utilization: 0.7, perReplica: 1 }, 286],
  [{ rps: 14, seconds: 0.1, utilization: 0.7, perReplica: 1 }, 2],
  [{ rps: 0.1, seconds: 0.1, utilization: 1, perReplica: 4 }, 1],
  [{ rps: 20, seconds: 10, utilization: 0.7, perReplica: 4 }, 72],
])('%o', (load, replicas) => expect(replicasFor(load)).toBe(replicas));

const load = fc.record({
  rps: fc.double({ min: 0.001, max: 1e5, noNaN: true }),
  seconds: fc.double({ min: 0.001, max: 1e4, noNaN: true }),
  utilization: fc.double({ min: 0.01, max: 1, noNaN: true }),
  perReplica: fc.integer({ min: 1, max: 64 }),
});

it('is enough, and one fewer is not', () => {
  fc.assert(
    fc.property(load, (given) => {
      const replicas = replicasFor(given);
      const needed = (given.rps * given.seconds) / (given.perReplica * given.utilization);
      expect(Number.isInteger(replicas)).toBe(true);
      expect(replicas).toBeGreaterThanOrEqual(Math.max(1, needed * (1 - 1e-11)));
      if (replicas > 1) expect(replicas - 1).toBeLessThan(needed);
    }),
  );
});

it('never falls with more load, and never rises with more room', () => {
  fc.assert(
    fc.property(load, fc.double({ min: 1, max: 10, noNaN: true }), (given, more) => {
      const replicas = replicasFor(given);
      expect(replicasFor({ ...given, rps: given.rps * more })).toBeGreaterThanOrEqual(replicas);
      expect(replicasFor({ ...given, seconds: given.seconds * more })).toBeGreaterThanOrEqual(replicas);
      expect(replicasFor({ ...given, perReplica: given.perReplica + 1 })).toBeLessThanOrEqual(replicas);
      expect(replicasFor({ ...given, utilization: Math.min(1, given.utilization * more) })).toBeLessThanOrEqual(
        replicas,
      );
    }),
  );
});
