/** A worker that dies is told to whoever is attached. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LiveContainer, Running, score, Workspace } from '../support/live.ts';

test('sync tells that a worker was killed for memory', async () => {
  await using container = await LiveContainer.start('plain-user', {
    args: ['--memory', '768m', '--memory-swap', '768m'],
  });
  using workspace = new Workspace();
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  const greedy = 'def init():\n    pass\n\n\ndef run(data):\n    return len(b"x" * 2**30)\n';
  writeFileSync(join(workspace.app, 'score.py'), greedy);
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  await score(await container.scoreUrl());
  expect(await sync.event('the death', ({ event }) => event === 'exit')).toMatchObject({
    pid: expect.any(Number) as number,
    cause: 'memory',
    words: expect.stringMatching(/^worker \d+ was killed by the kernel for memory at 768 MB/) as string,
  });
});
