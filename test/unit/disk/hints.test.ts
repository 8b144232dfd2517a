/** When so much came at once that the system may have dropped hints: only a look at everything finds the rest. */
import { writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { receiveHints } from '../../../shared/disk/watch.ts';
import { contents, file } from '../../contract/endpoint.ts';
import { disk, folder } from '../../support/disk.ts';

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

test('thousands of files that we replace ourselves are not too much at once', async () => {
  const { root } = await folder();
  const names = Array.from({ length: 2_000 }, (_, n) => `f${n}`);
  for (const name of names) writeFileSync(`${root}/${name}`, 'old');
  const endpoint = await disk(root);
  const lost: string[] = [];
  await endpoint.watch(
    () => undefined,
    (reason) => lost.push(reason),
  );
  const outcomes = await endpoint.apply(
    names.map((path) => ({ path, before: file('old'), after: file('new') })),
    contents('new'),
  );
  expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
  await endpoint.release(
    outcomes.flatMap((outcome) => (outcome.result === 'done' ? (outcome.victim?.held ?? []) : [])),
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(lost).toEqual([]);
});
