/** When so much came at once that the system may have dropped hints: only a look at everything finds the rest. */
import { expect, onTestFinished, test } from 'vitest';
import { receiveHints } from '../../../shared/disk/watch.ts';

test.each([
  ['few hints after a stall', 300, 500, []],
  ['many hints after a stall', 300, 501, [expect.stringMatching(/^this process stood still for \d+ ms$/)]],
  ['more than a queue is trusted with', 0, 5_001, ['5001 changes at once']],
] as const)('%s', async (_what, stall, hints, expected) => {
  const lost: string[] = [];
  const looked = Promise.withResolvers<number>();
  const receiver = receiveHints(
    (paths) => looked.resolve([...paths].length),
    (reason) => lost.push(reason),
  );
  onTestFinished(() => receiver.close());
  for (const end = performance.now() + stall; performance.now() < end;);
  for (let n = 0; n < hints; n++) receiver.hintPath(`f${n}`);
  expect(await looked.promise).toBe(hints);
  expect(lost).toEqual(expected);
});
