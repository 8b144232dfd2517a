import { expect, test } from 'vitest';
import { steadyTime, systemClock } from '../../../console/engine/sync/clock.ts';

test('the hours that a computer slept count, and the time never goes back', () => {
  let [wall, steady] = [1_000, 5];
  const now = steadyTime(
    () => wall,
    () => steady,
  );
  expect(now()).toBe(1_000);
  steady += 0.5;
  expect(now()).toBe(1_000.5);
  wall += 3_600_000;
  expect(now()).toBe(3_601_000);
  wall -= 7_200_000;
  steady += 1;
  expect(now()).toBe(3_601_001);
});

test('is the time that other programs tell', () => {
  const before = Date.now();
  const now = systemClock.now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThan(before + 1_000);
});
