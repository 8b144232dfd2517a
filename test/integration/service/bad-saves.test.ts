/** What a save can do to a service: each on the real server, as uid 1000 without a privilege, with the hook in. */
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReloadResult, ReloadStage } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const ROOT = '/var/azureml-app';
const BARE = ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

interface Code {
  /** Above init(). */
  readonly top?: string;
  readonly init?: string;
}

const script = (answer: number, { top = '', init = 'pass' }: Code = {}): string =>
  `import os, signal, socket, sys, time\n${top}\n\n\ndef init():\n    ${init}\n\n\ndef run(data):\n    return ${answer}\n`;

/** The service answers 1, and the agent follows it. */
async function served(args: readonly string[] = []): Promise<{ container: ScoringContainer; agent: Driver }> {
  const container = await ScoringContainer.start({ image: 'plain-user', kit: kit.dir, args: [...BARE, ...args] });
  const agent = await container.agent('1000');
  await agent.do('follow', { auto: false });
  await container.write(`${ROOT}/score.py`, script(1));
  expect(await agent.reload()).toMatchObject({ ok: true, way: 'candidate' });
  expect(await container.score()).toBe('200 1');
  return { container, agent };
}

async function save(container: ScoringContainer, agent: Driver, code: string): Promise<ReloadResult> {
  await container.write(`${ROOT}/score.py`, code);
  return agent.reload();
}

/** SIGKILL to each process that serves. */
async function killWorkers(container: ScoringContainer, agent: Driver): Promise<void> {
  const { workers } = await agent.do<{ workers: { pid: number }[] }>('state');
  await container.sh(`kill -9 ${workers.map(({ pid }) => pid).join(' ')} 2>/dev/null || true`); // one may be leaving
}

describe('what is refused leaves the old code, and the mend serves', () => {
  let on: Awaited<ReturnType<typeof served>>;
  let answer = 1;
  beforeAll(async () => {
    on = await served();
  });
  afterAll(async () => {
    await on.agent[Symbol.asyncDispose]();
    await on.container[Symbol.asyncDispose]();
  });

  const bad: { what: string; code: string; stage: ReloadStage; type: string }[] = [
    { what: 'a syntax error', code: 'def init(:\n', stage: 'compile', type: 'SyntaxError' },
    {
      what: 'a missing import',
      code: script(0, { top: 'import nothing' }),
      stage: 'import',
      type: 'ModuleNotFoundError',
    },
    { what: 'code that raises', code: script(0, { top: '1 / 0' }), stage: 'import', type: 'ZeroDivisionError' },
    { what: 'an init() that raises', code: script(0, { init: "raise OSError('no')" }), stage: 'init', type: 'OSError' },
    { what: 'sys.exit()', code: script(0, { init: 'sys.exit(3)' }), stage: 'init', type: 'SystemExit' },
    { what: 'os._exit()', code: script(0, { init: 'os._exit(3)' }), stage: 'init', type: 'Exit' },
    { what: 'SIGKILL', code: script(0, { init: 'os.kill(os.getpid(), 9)' }), stage: 'init', type: 'Exit' },
    { what: 'SIGSEGV', code: script(0, { init: 'os.kill(os.getpid(), 11)' }), stage: 'init', type: 'Exit' },
    { what: 'no run()', code: 'def init():\n    pass\n', stage: 'import', type: 'AttributeError' },
    { what: 'an empty file', code: '', stage: 'import', type: 'AttributeError' },
  ];

  test.each(bad)('$what', async ({ code, stage, type }) => {
    const { container, agent } = on;
    const result = await save(container, agent, code);
    expect(result).toMatchObject({ ok: false, stage, error: { type }, way: 'candidate' });
    expect(await container.score()).toBe(`200 ${answer}`);
    await killWorkers(container, agent);
    await container.until('a worker is back', async () => (await container.health()) === 200);
    expect(await container.score()).toBe(`200 ${answer}`);
    answer += 1;
    const mended = await save(container, agent, script(answer));
    expect(mended).toMatchObject({ ok: true, way: 'candidate' });
    expect(await container.score(), JSON.stringify(mended)).toBe(`200 ${answer}`);
  });

  test.each([
    { what: 'removed', line: `rm ${ROOT}/score.py` },
    { what: 'renamed', line: `mv ${ROOT}/score.py ${ROOT}/other.py` },
    { what: 'a folder', line: `rm ${ROOT}/score.py; mkdir ${ROOT}/score.py` },
  ])('the entry script is $what', async ({ line }) => {
    const { container, agent } = on;
    await container.sh(line);
    expect(await agent.reload()).toMatchObject({ ok: false });
    expect(await container.score()).toBe(`200 ${answer}`);
    await container.sh(`rm -rf ${ROOT}/score.py`);
    answer += 1;
    expect(await save(container, agent, script(answer))).toMatchObject({ ok: true });
    expect(await container.score()).toBe(`200 ${answer}`);
  });

  test.each([
    { what: 'a port', init: "global s; s = socket.socket(); s.bind(('127.0.0.1', 45678))" },
    {
      what: 'a lock',
      init: "import fcntl; global f; f = open('/tmp/lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)",
    },
  ])('$what that only one can have: save after save is served', async ({ init }) => {
    const { container, agent } = on;
    for (let n = 0; n < 3; n++) {
      answer += 1;
      const result = await save(container, agent, script(answer, { init }));
      expect(result).toMatchObject({ ok: true, way: 'candidate', ...(n > 0 && { exclusive: true }) });
      expect(await container.score()).toBe(`200 ${answer}`);
    }
    const broken = await save(container, agent, script(0, { init: `${init}; raise OSError('no')` }));
    expect(broken).toMatchObject({ ok: false, stage: 'init', error: { message: 'no' } });
    await container.until('the old code is back', async () => (await container.score()) === `200 ${answer}`);
  });
});

test('more memory than there is', async () => {
  const { container, agent } = await served(['--memory', '500m', '--memory-swap', '500m']);
  await using _container = container;
  await using _agent = agent;
  const result = await save(container, agent, script(0, { init: 'global b; b = bytearray(600_000_000)' }));
  expect(result).toMatchObject({ ok: false, error: { hint: expect.stringContaining('memory') as string } });
  await container.until('the old code serves', async () => (await container.score()) === '200 1');
});

test('a worker is killed while new code boots, and a save comes meanwhile: the last one serves', async () => {
  const { container, agent } = await served();
  await using _container = container;
  await using _agent = agent;
  await container.write(`${ROOT}/score.py`, script(2, { init: 'time.sleep(30)' }));
  const first = agent.reload();
  await agent.until(({ phase }) => phase === 'checking');
  await killWorkers(container, agent);
  await container.until('a worker is back', async () => (await container.health()) === 200);
  expect(await container.score()).toBe('200 1');
  expect(await save(container, agent, script(3))).toMatchObject({ ok: true });
  expect(await first).toMatchObject({ ok: true });
  expect(await container.score()).toBe('200 3');
});

test('HUP by somebody else, and workers that gunicorn recycles: never what was refused', async () => {
  const { container, agent } = await served(['-e', 'GUNICORN_CMD_ARGS=--max-requests 3']);
  await using _container = container;
  await using _agent = agent;
  expect(await save(container, agent, 'def init(:\n')).toMatchObject({ ok: false });
  for (let n = 0; n < 10; n++) {
    await container.until('an answer', async () => /^(200|503) /.test(await container.score().catch(() => '')));
    expect(await container.score().catch(() => '200 1')).toBe('200 1');
  }
  const { masterPid } = await agent.do<{ masterPid: number }>('state');
  await container.sh(`kill -HUP ${masterPid}`);
  for (let n = 0; n < 10; n++) expect(await container.score().catch(() => '200 1')).toBe('200 1');
  expect(await container.isRunning()).toBe(true);
});

test('the agent is killed while a candidate boots: the old code goes on, and no candidate is left', async () => {
  const { container, agent } = await served();
  await using _container = container;
  await container.write(`${ROOT}/score.py`, script(2, { init: 'time.sleep(600)' }));
  void agent.reload().catch(() => undefined);
  await agent.until(({ phase }) => phase === 'checking');
  const { masterPid: master } = await agent.do<{ masterPid: number }>('state');
  const forks = () => container.sh(`wc -w < /proc/${master}/task/${master}/children`);
  await container.until('the candidate is there', async () => Number(await forks()) === 2);
  await container.sh("kill -9 $(grep -lz '^/opt/driver/driver.cjs' /proc/[0-9]*/cmdline | cut -d/ -f3)");
  await container.until('the candidate is gone', async () => Number(await forks()) === 1);
  expect(await container.score()).toBe('200 1');
});

test('the container is restarted while a candidate boots: it starts with what lies on disk', async () => {
  const { container, agent } = await served();
  await using _container = container;
  await container.write(`${ROOT}/score.py`, script(2, { init: 'time.sleep(3)' }));
  void agent.reload().catch(() => undefined);
  await agent.until(({ phase }) => phase === 'checking');
  await execa('docker', ['restart', '-t', '1', container.id]);
  const { stdout } = await execa('docker', ['port', container.id, '5001']);
  const url = `http://127.0.0.1:${stdout.split('\n')[0]?.split(':').at(-1)}/score`;
  const headers = { 'content-type': 'application/json' };
  const ask = () =>
    fetch(url, { method: 'POST', headers, body: '{}' }).then(
      (answer) => answer.text(),
      () => '',
    );
  await container.until('the new code serves', async () => (await ask()) === '2');
});
