/** Programs that know nothing of it work on the host and in a container at once, under the built `drydock sync`. */
import { expect, test } from 'vitest';
import { openContainer } from '../blackbox/container.ts';
import { blackbox } from '../blackbox/run.ts';

test('both sides become equal and nothing is lost', async () => {
  await using arena = await openContainer();
  const { faults, done } = await blackbox(arena, 20, 2_500);
  expect(faults).toEqual([]);
  expect(done).toBeGreaterThan(3_500);
});
