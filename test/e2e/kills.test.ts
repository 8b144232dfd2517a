/** Console, agent and the bridges between them are killed 240 times while both sides are edited: nothing is lost, and nobody has to help. */
import { expect, test } from 'vitest';
import { killMatrix } from '../kills/matrix.ts';

test('240 kills', async () => {
  const { console, agent, control, bulk } = await killMatrix(20_260, 240, 4);
  expect(console).toBeGreaterThan(50);
  expect(agent).toBeGreaterThan(50);
  expect(control).toBeGreaterThan(20);
  expect(bulk).toBeGreaterThan(20);
});
