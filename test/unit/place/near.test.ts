import { describe, expect, it } from 'vitest';
import { editDistance, nearNames } from '../../../console/place/docker/near.ts';

describe('near names', () => {
  it.each([
    ['', '', 0],
    ['debug', 'debug', 0],
    ['debug', 'debgu', 2],
    ['debug', 'debu', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
  ])('%s is %s with %i changes', (from, to, distance) => expect(editDistance(from, to)).toBe(distance));

  it('come nearest first', () => {
    expect(nearNames('debg', ['web', 'debugger', 'debug', 'database'])).toEqual(['debug']);
    expect(nearNames('debug', ['debug-2', 'my-debug', 'dbug', 'web'])).toEqual(['debug-2', 'my-debug', 'dbug']);
  });

  it('are none when nothing is near', () => expect(nearNames('scorer', ['web', 'database'])).toEqual([]));
});
