/** What becomes of the service's workers, whatever lies on the disk and whoever ends them. */
import { describe, expect, test } from 'vitest';
import { app, EACH, Gunicorn, type GunicornOptions } from '../../support/gunicorn.ts';

const BAD = app('bad', { before: 'raise RuntimeError("no model")' });
/** Boots until the file is there. */
const SLOW = app('slow', { before: 'import time\nwhile not os.path.exists("go"): time.sleep(0.01)' });

describe.each(EACH)('gunicorn $version, hook by $way', (how) => {
  const start = (options: Partial<GunicornOptions> = {}) =>
    Gunicorn.start({ ...how, files: { 'app.py': app('old') }, ...options });

  test('two workers, one after the other', async () => {
    await using gunicorn = await start({ args: ['-w', '2'] });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    const old = gunicorn.workers.map(({ pid }) => pid);
    gunicorn.write('app.py', app('new'));
    const hammer = gunicorn.hammer();
    await gunicorn.accepted();
    for (let i = 0; i < 20; i++) expect((await gunicorn.get()).body).toBe('new');
    expect([...(await hammer.stop()).keys()].filter((answer) => !['200 old', '200 new'].includes(answer))).toEqual([]);
    await gunicorn.until('the old workers are gone', () => gunicorn.workers.length === 2);
    expect(gunicorn.workers.map(({ pid }) => pid).filter((pid) => old.includes(pid))).toEqual([]);
    expect(await gunicorn.answersOf(2)).toEqual(['new', 'new']);
  });

  test('a newer candidate takes the place of one that boots', async () => {
    await using gunicorn = await start();
    gunicorn.write('app.py', SLOW);
    const first = gunicorn.candidate();
    const pid = await gunicorn.message('a candidate', (message) =>
      'candidate' in message ? message.candidate.pid : undefined,
    );
    gunicorn.write('app.py', app('newer'));
    await gunicorn.accepted();
    expect(await first).toBeNull();
    expect((await gunicorn.get()).body).toBe('newer');
    await gunicorn.until('one worker', () => gunicorn.workers.length === 1);
    expect(gunicorn.workers[0]?.pid).not.toBe(pid);
  });

  test('HUP by somebody else', async () => {
    await using gunicorn = await start();
    const outcome = (from: number) =>
      gunicorn.message(
        'an outcome',
        (message) => ('promoted' in message || 'rejected' in message || 'settled' in message ? message : undefined),
        from,
      );
    gunicorn.write('app.py', BAD);
    gunicorn.signal('SIGHUP');
    expect(await outcome(0)).toMatchObject({ rejected: { generation: 0, failure: { message: 'no model' } } });
    expect((await gunicorn.get()).body).toBe('old');
    gunicorn.write('app.py', app('new'));
    const from = gunicorn.messages.length;
    const hammer = gunicorn.hammer();
    gunicorn.signal('SIGHUP');
    await gunicorn.message('it is settled', (message) => ('settled' in message ? true : undefined), from);
    expect((await gunicorn.get()).body).toBe('new');
    expect([...(await hammer.stop()).keys()].filter((answer) => !['200 old', '200 new'].includes(answer))).toEqual([]);
  });

  test('SIGTERM does not wait for a candidate', async () => {
    // What would be waited for takes longer than the test may.
    await using gunicorn = await start({ args: ['--graceful-timeout', '3600'] });
    gunicorn.write('app.py', SLOW);
    const candidate = gunicorn.candidate();
    await gunicorn.message('a candidate', (message) => ('candidate' in message ? true : undefined));
    const pids = gunicorn.workers.map(({ pid }) => pid);
    expect(pids).toHaveLength(2);
    gunicorn.signal('SIGTERM');
    expect(await gunicorn.ended).toBe(0);
    expect(await candidate).toBeNull();
    expect(gunicorn.workers).toEqual([]);
  });

  test('an agent that goes away takes its candidate with it', async () => {
    await using gunicorn = await start();
    gunicorn.write('app.py', SLOW);
    const candidate = gunicorn.candidate();
    await gunicorn.until('a candidate', () => gunicorn.workers.length === 2);
    gunicorn.channel.close();
    expect(await candidate).toBeNull();
    await gunicorn.until('it is gone', () => gunicorn.workers.length === 1);
    expect((await gunicorn.get()).body).toBe('old');
    await gunicorn.open();
    gunicorn.write('go', '');
    await gunicorn.accepted();
    expect((await gunicorn.get()).body).toBe('slow');
  });

  test('a candidate that is taken back', async () => {
    await using gunicorn = await start();
    gunicorn.write('app.py', SLOW);
    const taken = new AbortController();
    const candidate = gunicorn.candidate({ signal: taken.signal });
    await gunicorn.until('a candidate', () => gunicorn.workers.length === 2);
    taken.abort();
    expect(await candidate).toBeNull();
    await gunicorn.until('it is gone', () => gunicorn.workers.length === 1);
    expect((await gunicorn.get()).body).toBe('old');
  });
});

describe.each(EACH.filter(({ way }) => way === 'start'))('gunicorn $version, code that does not start', (how) => {
  test.each([
    ['raises', 'raise RuntimeError("no model")', 'RuntimeError: no model'],
    ['calls sys.exit(3)', 'import sys\nsys.exit(3)', 'SystemExit: 3'],
    ['calls os._exit(3)', 'os._exit(3)', 'the code ended the process with exit code 3'],
    ['is killed', 'os.kill(os.getpid(), 9)', 'the process was ended by SIGKILL'],
  ])('it %s: the service says why until the code is mended', async (_, before, why) => {
    await using gunicorn = await Gunicorn.start({ ...how, files: { 'app.py': app('bad', { before }) }, waits: false });
    const answer = await gunicorn.post();
    expect(answer.status).toBe(503);
    expect(answer.body).toContain(why);
    // Whoever comes later hears it, too.
    expect((await gunicorn.held())?.traceback).toContain(why);
    expect(gunicorn.output.match(/Booting worker/g)?.length).toBeLessThanOrEqual(3);
    gunicorn.write('app.py', app('mended', { before: "os.environ['TOLD_BY'] = str(os.getpid())" }));
    await gunicorn.accepted();
    expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'mended' });
    gunicorn.signal('SIGKILL', (await gunicorn.get()).pid);
    const reborn = await gunicorn.get();
    expect(reborn).toMatchObject({ status: 200, body: 'mended' });
    // The environment is that of the newest worker, whoever started it.
    const environ = { TOLD_BY: String(reborn.pid) };
    const told = await gunicorn.message('a worker', (message) =>
      'ready' in message && message.ready.pid === reborn.pid ? message.ready.environ : undefined,
    );
    expect(told).toMatchObject(environ);
    gunicorn.channel.close();
    await gunicorn.open();
    expect(gunicorn.channel.hello).toMatchObject({ held: null, environ });
  });
});
