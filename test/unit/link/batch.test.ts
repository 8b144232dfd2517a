/** A batch that travels in pieces: it is one for whoever gave it, and one for the service that runs what arrives. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DrydockError } from '../../../shared/core/errors.ts';
import { ContentMoved, type Change, type ContentSource } from '../../../shared/core/sync/endpoint.ts';
import { file } from '../../contract/endpoint.ts';
import { agent, peerTo, remote } from '../../support/agent.ts';

const COUNT = 3_000;
const text = (n: number) => `file ${n}`;

/** A folder in which so many files are created. */
const batch: readonly Change[] = [
  { path: 'd', before: null, after: { kind: 'dir' } },
  ...Array.from({ length: COUNT }, (_, n) => ({ path: `d/${n}`, before: null, after: file(text(n)) })),
];

/** The files' contents; `before` is asked before each. */
function contents(before: (n: number) => void): ContentSource {
  return {
    open: async function* (_digest, path) {
      const n = Number(path.slice(2));
      await Promise.resolve();
      before(n);
      yield Buffer.from(text(n));
    },
  };
}

test('each change has its outcome, and the service hears of all of it at once', async () => {
  const made = await agent();
  const endpoint = await remote(made);
  await endpoint.scan();
  const outcomes = await endpoint.apply(
    batch,
    contents((n) => {
      if (n === 600) throw new ContentMoved('d/600');
    }),
  );
  expect(outcomes.map(({ path }) => path)).toEqual(batch.map(({ path }) => path));
  expect(outcomes.filter(({ result }) => result !== 'done')).toMatchObject([
    { path: 'd/600', result: 'failed', reason: 'content-moved' },
  ]);
  expect(readFileSync(`${made.root}/d/${COUNT - 1}`, 'utf8')).toBe(text(COUNT - 1));
  await made.program.says('changed by');
  expect(made.program.log.match(/changed by sync: \d+/g)).toEqual([`changed by sync: ${COUNT}`]);
});

test('an agent that dies in the middle of it is an error, and what had arrived is there', async () => {
  const made = await agent();
  const endpoint = await remote(made);
  await endpoint.scan();
  const killing = contents((n) => {
    if (n === COUNT - 1) made.program.child.kill('SIGKILL');
  });
  await expect(endpoint.apply(batch, killing)).rejects.toThrow();
  expect(readFileSync(`${made.root}/d/0`, 'utf8')).toBe(text(0));
});

test('a console that goes in the middle of it: the service hears of what had arrived', async () => {
  const made = await agent();
  const control = await peerTo(made.socket);
  const { value } = await control.call('sync.open', { root: made.root, rules: [] });
  const { endpoint } = value;
  await control.call('sync.scan', { endpoint });
  const changes = [{ path: 'a', before: null, after: file('a') }];
  const inline = [{ digest: file('a').digest, data: 0 }];
  const attached = [Buffer.from('a')];
  await control.call('sync.apply', { endpoint, changes, inline, more: true }, { attached });
  expect(made.program.log).not.toContain('changed by');
  control.close(new DrydockError('link-lost', 'The test is over.'));
  await made.program.says('changed by sync: 1');
});
