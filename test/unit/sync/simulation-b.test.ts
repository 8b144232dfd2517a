/** The second half of the lives, and what the simulator itself is worth. */
import { expect, test } from 'vitest';
import { BRAKES } from '../../../shared/core/sync/guard.ts';
import { KEPT, range, wrongIn } from '../../simulator/seeds.ts';
import { FAULTS, simulate } from '../../simulator/simulation.ts';

test('2,500 lives: nothing is lost, both sides become equal, and it is quiet', async () => {
  expect(await wrongIn(range(2_501, 5_000))).toEqual([]);
});

test('lives that were wrong once', async () => {
  expect(await wrongIn(KEPT)).toEqual([]);
});

test('the same seed is the same life, and another seed another one', async () => {
  const digests = new Set<string>();
  for (const seed of [1, 7, 42]) {
    const [first, second] = [await simulate(seed), await simulate(seed)];
    expect(first).toEqual(second);
    digests.add(first.digest);
  }
  expect(digests.size).toBe(3);
});

test('a few hundred lives hold everything that can go wrong', async () => {
  const counts: Record<string, number> = {};
  for (const seed of range(1, 300)) {
    for (const [what, times] of Object.entries((await simulate(seed)).counts))
      counts[what] = (counts[what] ?? 0) + times;
  }
  const all = ['conflict', 'halted', 'answer host', 'answer container', 'answer union', ...FAULTS];
  expect(all.filter((what) => (counts[what] ?? 0) < 10)).toEqual([]);
});

test('sides that do not look at what they replace lose bytes', async () => {
  expect((await wrongIn(range(1, 500), { blind: true }, 10)).join()).toMatch(/S1/);
});

test('without the brake for an emptied folder an accident is carried over', async () => {
  const { emptied: _, ...brakes } = BRAKES;
  expect((await wrongIn(range(1, 1_000), { brakes }, 1)).join()).toMatch(/S7/);
});
