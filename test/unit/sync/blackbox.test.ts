/** Programs that know nothing of it work in two real folders at once, under the real session. */
import { expect, test } from 'vitest';
import { openFolders } from '../../blackbox/folders.ts';
import { blackbox } from '../../blackbox/run.ts';

// Three at a time: what the session waits for, the disk does meanwhile for the others.
test.each([
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 9],
])('seeds %i, %i and %i: both sides become equal and nothing is lost', async (...seeds) => {
  const reports = await Promise.all(
    seeds.map(async (seed) => {
      await using arena = await openFolders();
      return await blackbox(arena, seed, 1_300);
    }),
  );
  expect(reports.flatMap(({ faults }) => faults)).toEqual([]);
  expect(reports.reduce((sum, { done }) => sum + done, 0)).toBeGreaterThan(5_600);
});
