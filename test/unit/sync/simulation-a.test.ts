/** The first half of the lives, see test/simulator/simulation.ts; in two files, since each has a core of its own. */
import { expect, test } from 'vitest';
import { range, wrongIn } from '../../simulator/seeds.ts';

test('2,500 lives: nothing is lost, both sides become equal, and it is quiet', async () => {
  expect(await wrongIn(range(1, 2_500))).toEqual([]);
});
