/** Workers that die, in a real container: with the hook in the master, which takes their status, and without it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceState } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

const SCORE = '/var/azureml-app/score.py';
const has = (text: string): string => expect.stringContaining(text) as string;

const ends = (agent: Driver) => agent.until(({ exits }) => exits.length > 0);

/** The one worker that serves the new code, once the old one has left. */
async function reloaded(agent: Driver, container: ScoringContainer, run: string): Promise<number | undefined> {
  await agent.do('follow', { auto: false });
  await container.write(SCORE, `def init():\n    pass\n\n\ndef run(data):\n${run}`);
  const before = new Set((await agent.do<ServiceState>('state')).workers.map(({ pid }) => pid));
  expect(await agent.reload()).toMatchObject({ ok: true });
  const { workers, exits } = await agent.until(
    (state) =>
      state.lastReload?.ok === true && state.workers.length === 1 && !state.workers.some(({ pid }) => before.has(pid)),
  );
  expect(exits).toEqual([]); // what the reload ended is none
  return workers[0]?.pid;
}

const ways = [
  { title: 'with the hook', args: [] },
  // With --preload there is none.
  { title: 'seen from outside', args: ['-e', 'WORKER_PRELOAD=true'] },
];

describe.each(ways)('$title', ({ args }) => {
  const start = (...more: readonly string[]) =>
    ScoringContainer.start({ image: 'plain-user', kit: kit.dir, args: [...args, ...more] });

  test('a worker that takes more memory than the container has', async () => {
    await using container = await start('--memory', '768m', '--memory-swap', '768m');
    await using agent = await container.agent('0');
    const pid = await reloaded(agent, container, '    return len(b"x" * 2**30)\n');
    const score = container.score().catch(() => '');
    const words = has(`worker ${pid} was killed by the kernel for memory at 768 MB`);
    expect((await ends(agent)).exits).toMatchObject([{ pid, cause: 'memory', words }]);
    await score;
  });

  test.each([
    ['root without the right to read another’s processes', '0'],
    ['the service’s own user', '1000'],
  ])('a worker that hangs for longer than it may, agent as %s', async (_, user) => {
    await using container = await start('-e', 'WORKER_TIMEOUT=6');
    await using agent = await container.agent(user);
    const pid = await reloaded(agent, container, '    import time\n    time.sleep(3600)\n');
    const score = container.score().catch(() => '');
    const words = `worker ${pid} was ended by gunicorn after 6 s without a heartbeat (WORKER_TIMEOUT)`;
    expect((await ends(agent)).exits).toMatchObject([{ pid, cause: 'timeout', words }]);
    await score;
  });

  test('a worker that is killed by a signal', async () => {
    await using container = await start();
    await using agent = await container.agent('0');
    const pid = await reloaded(agent, container, '    return 1\n');
    await container.sh(`kill -SEGV ${pid}`);
    const expected =
      args.length === 0 ? { cause: 'signal', words: has(`worker ${pid} crashed by SIGSEGV`) } : unseen(pid);
    expect((await ends(agent)).exits).toMatchObject([{ pid, ...expected }]);
  });
});

const unseen = (pid: number | undefined) => ({
  cause: 'unknown',
  words: has(`worker ${pid} ended and nothing says why`),
});
