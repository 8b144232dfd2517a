/** Console and agent are killed 200 times while both sides are edited: nothing is lost, and nobody has to help. */
import { expect, test } from 'vitest';
import { killMatrix } from '../kills/matrix.ts';

test('200 kills', async () => {
  const { console, agent } = await killMatrix(20_260, 200, 4);
  expect(console).toBeGreaterThan(50);
  expect(agent).toBeGreaterThan(50);
});
