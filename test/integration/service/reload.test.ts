import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ShellContext } from '../../../agent/service/worker.ts';
import type { ServiceState } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const SCORE = '/var/azureml-app/score.py';
const FINISH = '/var/runit/gunicorn/finish';

/** A script with the shape of the sample's, whose answer is `value`. */
const script = (value: number): string => `def init():
    pass


def run(data):
    return ${value}
`;

/** The different answers of /score, asked without a pause until `work` is done. */
async function askWhile<T>(
  container: ScoringContainer,
  work: Promise<T>,
): Promise<{ result: T; answers: Set<string> }> {
  const answers = new Set<string>();
  const ended = new AbortController();
  void work.finally(() => ended.abort());
  while (!ended.signal.aborted) answers.add(await container.score());
  return { result: await work, answers };
}

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

const bare = ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
const ways: { title: string; image: 'plain-user' | 'plain-root'; user: string; args: string[] }[] = [
  { title: 'uid 1000 without a privilege', image: 'plain-user', user: '1000', args: bare },
  { title: 'root beside a service of uid 1000', image: 'plain-user', user: '0', args: [] },
  { title: 'root throughout', image: 'plain-root', user: '0', args: [] },
];

describe.each(ways)('a service under runit, agent as $title', ({ image, user, args }) => {
  const start = () => ScoringContainer.start({ image, kit: kit.dir, args });

  test('is found with interpreter, folder and environment of its worker', async () => {
    await using container = await start();
    await using agent = await container.agent(user);
    const uid = image === 'plain-root' ? 0 : 1000;
    expect(await agent.do('state')).toMatchObject({
      server: 'azmlinfsrv',
      supervisor: 'runit',
      port: 5001,
      uid,
      interpreter: '/usr/bin/python3',
      cwd: '/var/azureml-app',
      entryScript: '/var/azureml-app/score.py',
      phase: 'idle',
    } satisfies Partial<ServiceState>);
    expect(await agent.do('root')).toMatchObject({ path: '/var/azureml-app' });
    expect(await agent.do('context')).toMatchObject({
      uid,
      env: { AML_APP_ROOT: '/var/azureml-app', AZUREML_ENTRY_SCRIPT: '/var/azureml-app/main.py', SERVER_PORT: '5001' },
    });
  });

  test.each([
    { way: 'candidate', stages: ['import', 'init', 'switch'] },
    { way: 'trial', stages: ['find', 'compile', 'import', 'init', 'switch', 'answer'] },
  ])('serves good code after a reload by a $way and answers every request meanwhile', async ({ way, stages }) => {
    await using container = await start();
    await using agent = await container.agent(user);
    await agent.do('follow', { auto: false, hook: way === 'candidate' });
    await container.write(SCORE, `import os\nos.environ['SET_BY'] = 'the code'\n${script(41)}`);
    expect(await agent.reload()).toMatchObject({ ok: true, way });
    // What the hook's workers tell; else it is what follows from the start of the process.
    const { env } = await agent.do<ShellContext>('context');
    expect(env['SET_BY']).toBe(way === 'candidate' ? 'the code' : undefined);
    expect(env).toMatchObject({ AZUREML_ENTRY_SCRIPT: '/var/azureml-app/main.py', SERVER_PORT: '5001' });
    await container.write(SCORE, script(42));
    const { result, answers } = await askWhile(container, agent.reload());
    expect(result).toMatchObject({ ok: true, way, stage: 'answer' });
    // A request may have been answered before the candidate: then it has passed the gate as well.
    expect(result.stages.map(({ name }) => name).filter((name) => name !== 'gate')).toEqual(stages);
    expect(await container.score()).toBe('200 42');
    expect([...answers].filter((answer) => answer !== '200 41' && answer !== '200 42')).toEqual([]);
    const state = await agent.do<ServiceState>('state');
    expect(state).toMatchObject({ health: 'healthy', phase: 'idle' });
    expect(state.live).toBe(state.desired);
  });

  test('goes on with the old code when the new is broken, and says where', async () => {
    await using container = await start();
    await using agent = await container.agent(user);
    await agent.do('follow', { auto: false });
    await container.write(SCORE, script(1));
    expect(await agent.reload()).toMatchObject({ ok: true });
    const cases = [
      { code: `import nowhere\n${script(2)}`, stage: 'import', type: 'ModuleNotFoundError', line: 1 },
      { code: script(2).replace('pass', 'np.zeros(1)'), stage: 'init', type: 'NameError', line: 2 },
      { code: `${script(2)}def f(:\n`, stage: 'compile', type: 'SyntaxError', line: 7 },
      { code: 'x = 1\n', stage: 'import', type: 'AttributeError', line: 13 },
    ];
    for (const { code, stage, type, line } of cases) {
      await container.write(SCORE, code);
      const result = await agent.reload();
      expect(result).toMatchObject({ ok: false, stage, error: { type } });
      expect(result.error?.frames.findLast((frame) => frame.user)?.line).toBe(line);
      expect(result.error?.traceback).toContain(type);
      expect(await container.score()).toBe('200 1');
    }
    await container.write(SCORE, script(3));
    expect(await agent.reload()).toMatchObject({ ok: true });
    expect(await container.score()).toBe('200 3');
  });

  test('survives kill -9 of the master, and a reload brings it back', async () => {
    await using container = await start();
    await using agent = await container.agent(user);
    const { masterPid } = await agent.do<ServiceState>('follow', { auto: false });
    await container.sh(`kill -9 ${masterPid ?? 0}`);
    await agent.until((state) => state.server === 'none');
    expect(await container.isRunning()).toBe(true);
    await container.write(SCORE, script(7));
    expect(await agent.reload()).toMatchObject({ ok: true, stage: 'answer' });
    expect(await container.score()).toBe('200 7');
  });

  test('gets its finish script back as it was, after each kind of leaving', async () => {
    await using container = await start();
    await using agent = await container.agent(user);
    const look = () => container.sh(`stat -c '%a %u %g %s %Y %i' ${FINISH}; cat ${FINISH}; ls -A /var/runit/gunicorn`);
    const before = await look();
    for (const leave of [
      async () => agent.do('unfollow'),
      async () => agent.do('prepareCommit'),
      async () => agent.do('detach'),
    ]) {
      expect(await agent.do('follow', { auto: false })).toMatchObject({ hold: { held: true } });
      expect(await look()).not.toBe(before);
      await leave();
      expect(await look()).toBe(before);
      await agent.do('commitDone');
    }
  });
});

describe('saves in quick succession', () => {
  const start = async (): Promise<{ container: ScoringContainer; agent: Driver } & AsyncDisposable> => {
    const container = await ScoringContainer.start({ image: 'plain-user', kit: kit.dir });
    const agent = await container.agent('1000');
    return {
      container,
      agent,
      [Symbol.asyncDispose]: async () => {
        await agent[Symbol.asyncDispose]();
        await container[Symbol.asyncDispose]();
      },
    };
  };

  test('of equal size within a second never leave stale bytecode', async () => {
    await using started = await start();
    const { container, agent } = started;
    await agent.do('follow', { auto: false });
    for (let value = 1; value < 5; value++) {
      // Both have one mtime in whole seconds and one size, and the first is compiled by the worker that serves it.
      const time = Math.floor(Date.now() / 1000);
      await container.write(SCORE, script(value));
      await container.sh(`touch -d @${time} ${SCORE}`);
      expect(await agent.reload()).toMatchObject({ ok: true });
      await container.write(SCORE, script(value + 1));
      await container.sh(`touch -d @${time} ${SCORE}`);
      expect(await agent.reload()).toMatchObject({ ok: true });
      expect(await container.score()).toBe(`200 ${value + 1}`);
    }
  });

  test('are reloaded by themselves, the last one wins', async () => {
    await using started = await start();
    const { container, agent } = started;
    await agent.do('follow', { auto: true });
    for (let value = 1; value <= 10; value++) {
      await container.write(SCORE, script(value));
      await agent.do('changed', { paths: ['score.py'], origin: 'sync' });
    }
    const state = await agent.until((seen) => seen.desired === 10 && seen.live === 10 && seen.phase === 'idle');
    expect(state.lastReload).toMatchObject({ ok: true, generation: 10 });
    expect(await container.score()).toBe('200 10');
  });

  test('from the disk count only when they are code', async () => {
    await using started = await start();
    const { agent } = started;
    await agent.do('follow', { auto: true });
    await agent.do('changed', { paths: ['out/data.json', '__pycache__/score.cpython-311.pyc'], origin: 'disk' });
    expect(await agent.do('state')).toMatchObject({ desired: 0 });
    await agent.do('changed', { paths: ['helpers/clean.py'], origin: 'disk' });
    expect(await agent.until((state) => state.live === 1 && state.phase === 'idle')).toMatchObject({ desired: 1 });
  });
});
