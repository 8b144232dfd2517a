/** Workers that die, in a real container, without anything in the master that takes their status. */
import { afterAll, beforeAll, expect, test } from 'vitest';
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

async function reloaded(agent: Driver, container: ScoringContainer, run: string): Promise<number | undefined> {
  await agent.do('follow', { auto: false });
  await container.write(SCORE, `def init():\n    pass\n\n\ndef run(data):\n${run}`);
  expect(await agent.reload()).toMatchObject({ ok: true });
  const state = await agent.do<ServiceState>('state');
  expect(state.exits).toEqual([]); // what the reload ended is none
  return state.workers[0]?.pid;
}

test('a worker that takes more memory than the container has', async () => {
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    args: ['--memory', '512m', '--memory-swap', '512m'],
  });
  await using agent = await container.agent('0');
  const pid = await reloaded(agent, container, '    return len(b"x" * 2**30)\n');
  const score = container.score().catch(() => '');
  const { exits } = await ends(agent);
  expect(exits).toEqual([
    {
      pid,
      at: expect.any(Number) as number,
      cause: 'memory',
      words: has(`worker ${pid} was killed by the kernel for memory at 512 MB`),
    },
  ]);
  await score;
});

test.each([
  ['root without the right to read another’s processes', '0'],
  ['the service’s own user', '1000'],
])('a worker that hangs for longer than it may, agent as %s', async (_, user) => {
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    args: ['-e', 'WORKER_TIMEOUT=6'],
  });
  await using agent = await container.agent(user);
  const pid = await reloaded(agent, container, '    import time\n    time.sleep(3600)\n');
  const score = container.score().catch(() => '');
  const { exits } = await ends(agent);
  expect(exits).toMatchObject([
    {
      pid,
      cause: 'timeout',
      words: `worker ${pid} was ended by gunicorn after 6 s without a heartbeat (WORKER_TIMEOUT)`,
    },
  ]);
  await score;
});

test('a worker that is killed by a signal is told as well as it can be seen from outside', async () => {
  await using container = await ScoringContainer.start({ image: 'plain-user', kit: kit.dir });
  await using agent = await container.agent('0');
  const pid = await reloaded(agent, container, '    return 1\n');
  await container.sh(`kill -SEGV ${pid}`);
  const { exits } = await ends(agent);
  expect(exits).toMatchObject([{ pid, cause: 'unknown', words: has(`worker ${pid} ended and nothing says why`) }]);
});
