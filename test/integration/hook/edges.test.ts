/** Candidates and workers that end, or can't begin, at an awkward moment. */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { processOf } from '../../../agent/service/procfs.ts';
import { app, Gunicorn, type GunicornOptions } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

const RELEASE = `import time
while not os.path.exists('release'):
    time.sleep(0.01)
`;

const limitDescriptors = (pid: number, soft: number) => execa('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]);

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  const start = (options: Partial<GunicornOptions> = {}) =>
    Gunicorn.start({ version, way: 'live', files: { 'app.py': app('old') }, ...options });

  test('a candidate that ends while a process that it started holds its pipe', async () => {
    await using gunicorn = await start();
    const [old] = gunicorn.workers;
    // Of a session of its own: the group's end does not end it.
    const before = `if os.fork() == 0:
    os.setsid()
    import time
    while os.path.exists('app.py'):
        time.sleep(0.05)
    os._exit(0)
os._exit(3)`;
    gunicorn.write('app.py', app('new', { before }));
    expect(await gunicorn.rejected()).toMatchObject({
      failure: { message: expect.stringContaining('exit code 3') as string },
    });
    expect(await gunicorn.get()).toMatchObject({ body: 'old', pid: old?.pid });
    gunicorn.remove('app.py');
  });

  test('a candidate that ends while gunicorn reaps another process', async () => {
    const conf = `def child_exit(arbiter, worker):
    import os, time
    open('reaps', 'w')
    while not os.path.exists('goes on'):
        time.sleep(0.01)
`;
    await using gunicorn = await start({
      args: ['-w', '2', '-c', 'conf.py'],
      files: { 'app.py': app('old'), 'conf.py': conf },
    });
    gunicorn.write('app.py', app('new', { before: `${RELEASE}os._exit(3)` }));
    const outcome = gunicorn.candidate();
    const { pid } = await gunicorn.message('a candidate', (message) =>
      'apart' in message ? message.apart : undefined,
    );
    gunicorn.signal('SIGKILL', gunicorn.workers.find((worker) => worker.pid !== pid)?.pid);
    await gunicorn.until('it reaps', () => existsSync(`${gunicorn.dir}/reaps`));
    gunicorn.write('release', '');
    await gunicorn.until('the candidate has ended', () => processOf(pid) === null);
    gunicorn.write('goes on', '');
    expect(await outcome).toMatchObject({
      rejected: { failure: { message: 'the code ended the process with exit code 3' } },
    });
  });

  test('a candidate that is killed after it said that it is ready', async () => {
    await using gunicorn = await start();
    const [old] = gunicorn.workers;
    gunicorn.write('app.py', app('new', { before: RELEASE }));
    const outcome = gunicorn.candidate();
    const { pid } = await gunicorn.message('a candidate', (message) =>
      'apart' in message ? message.apart : undefined,
    );
    gunicorn.signal('SIGSTOP'); // it reads no report
    gunicorn.write('release', '');
    await gunicorn.until('it waits to be let go', () => readsPipe(pid));
    gunicorn.signal('SIGKILL', pid);
    await gunicorn.until('it has ended', () => processOf(pid) === null);
    gunicorn.signal('SIGCONT');
    expect(await outcome).toMatchObject({
      kind: 'rejected',
      rejected: { failure: { message: 'the process was ended by SIGKILL' } },
    });
    expect(await gunicorn.get()).toMatchObject({ body: 'old', pid: old?.pid });
  });

  test('no further process may be started', async () => {
    await using gunicorn = await start();
    gunicorn.write('app.py', app('new'));
    await limitDescriptors(gunicorn.pid, 3);
    expect(await gunicorn.rejected()).toMatchObject({
      stage: 'fork',
      failure: { message: expect.stringContaining('no further worker') as string },
    });
    await limitDescriptors(gunicorn.pid, 1024);
    await gunicorn.accepted();
    expect(await gunicorn.get()).toMatchObject({ body: 'new' });
  });

  test('workers that are still loading when new code takes over are no failures of it', async () => {
    await using gunicorn = await start({
      way: 'start',
      waits: false,
      args: ['-w', '2'],
      // SIGTERM ends it at once, as it ends what is in C code that waits.
      files: {
        'app.py': app('old', { before: `import signal\nsignal.signal(signal.SIGTERM, signal.SIG_DFL)\n${RELEASE}` }),
      },
    });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    const loading = gunicorn.workers.map(({ pid }) => pid);
    gunicorn.write('app.py', app('new'));
    await gunicorn.accepted();
    await gunicorn.until('they are gone', () => gunicorn.workers.every(({ pid }) => !loading.includes(pid)));
    for (const { pid } of gunicorn.workers) {
      gunicorn.signal('SIGKILL', pid);
      await gunicorn.until(
        'another',
        () => gunicorn.workers.length === 2 && gunicorn.workers.every((one) => one.pid !== pid),
      );
    }
    expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'new' });
  });

  test('an agent that comes after a worker was held is told of it', async () => {
    await using gunicorn = await Gunicorn.start({
      version,
      way: 'start',
      waits: false,
      files: { 'app.py': 'raise RuntimeError("no model")\n' },
    });
    await gunicorn.until('503', async () => (await gunicorn.get().catch(() => null))?.status === 503);
    expect(await gunicorn.held()).toMatchObject({ type: 'RuntimeError', message: 'no model' });
  });

  test('an agent that goes while workers are replaced one by one leaves all of one kind', async () => {
    await using gunicorn = await start({ args: ['-w', '3'] });
    gunicorn.write('app.py', app('new', { before: 'import time\ntime.sleep(0.2)' }));
    const outcome = await gunicorn.candidate();
    expect(outcome?.kind).toBe('promoted');
    gunicorn.channel.close();
    await gunicorn.until('all are new', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => gunicorn.get()));
      return answers.every(({ body }) => body === 'new') && new Set(answers.map(({ pid }) => pid)).size > 1;
    });
  });
});

function readsPipe(pid: number): boolean {
  const [number, descriptor = ''] = readFileSync(`/proc/${pid}/syscall`, 'utf8').split(' ');
  return number === '0' && readlinkSync(`/proc/${pid}/fd/${Number(descriptor)}`).startsWith('pipe:');
}
