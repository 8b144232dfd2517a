/** Into a gunicorn that runs and out of it again: nobody notices. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HookChannel } from '../../../agent/hook/channel.ts';
import { HookKeeper } from '../../../agent/service/hooked.ts';
import { app, EACH, Gunicorn, TELLING, type GunicornOptions } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

const pids = (gunicorn: Gunicorn): number[] => gunicorn.workers.map(({ pid }) => pid).sort((a, b) => a - b);

/** An agent that attaches. */
async function attach(gunicorn: Gunicorn): Promise<HookKeeper> {
  const worker = await gunicorn.worker();
  const keeper = new HookKeeper({
    hookDir: gunicorn.hookDir,
    build: '',
    self: [process.execPath],
    root: () => join(gunicorn.dir, 'none'),
    log: () => undefined,
    onChange: () => undefined,
    onExit: () => undefined,
    onApart: () => undefined,
    onDebug: () => undefined,
    onCaptured: () => undefined,
    onReplace: () => undefined,
  });
  const { master, workers } = gunicorn;
  const rest = { supervisor: 'none', starter: null, folder: null, listener: null, portSource: null } as const;
  await keeper.ensure({ master, workers, worker, ...rest }, false, true);
  return keeper;
}

const whyNot = async (gunicorn: Gunicorn): Promise<string> => (await attach(gunicorn)).why;

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  const start = (options: Partial<GunicornOptions> = {}) => Gunicorn.start({ version, way: null, ...options });

  test('goes in and out, again and again, and nothing of it stays', async () => {
    await using gunicorn = await start({ files: { 'conf.py': `${TELLING}workers = 2\n` }, args: ['-c', 'conf.py'] });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    const before = await gunicorn.seen(2);
    const { descriptors } = gunicorn.usage();
    await gunicorn.hook();
    expect(await gunicorn.seen(2)).not.toBe(before);
    await gunicorn.uninstall();
    for (const value of ['second', 'third']) {
      const there = pids(gunicorn);
      const hammer = gunicorn.hammer({ perSecond: 50 });
      await gunicorn.hook();
      expect(pids(gunicorn)).toEqual(there);
      expect(gunicorn.channel.hello).toMatchObject({ pid: gunicorn.pid, gunicorn: version, workers: there, wanted: 2 });
      gunicorn.write('app.py', app(value));
      await gunicorn.accepted();
      await gunicorn.uninstall();
      expect([...(await hammer.stop()).keys()].filter((answer) => !answer.startsWith('200 '))).toEqual([]);
      expect(await gunicorn.seen(2)).toBe(before);
      await gunicorn.until('no descriptor more', () => gunicorn.usage().descriptors <= descriptors);
      expect(readFileSync(join(gunicorn.dir, 'conf.py'), 'utf8')).toBe(`${TELLING}workers = 2\n`);
    }
  });

  test('beside a gunicorn.conf.py of the user’s, which counts as before', async () => {
    const conf = 'workers = 2\nraw_env = ["MODE=mine"]\n';
    await using gunicorn = await start({
      files: { 'gunicorn.conf.py': conf },
      ...(version === '19.9.0' && { args: ['-c', 'gunicorn.conf.py'] }),
    });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    const there = pids(gunicorn);
    await gunicorn.hook();
    expect(pids(gunicorn)).toEqual(there);
    expect(readFileSync(join(gunicorn.dir, 'gunicorn.conf.py'), 'utf8')).toBe(conf);
    gunicorn.write('app.py', app('', { inside: '' }).replace(/body = .*/, "body = os.environ['MODE'].encode()"));
    await gunicorn.accepted();
    expect(await gunicorn.answersOf(2)).toEqual(['mine', 'mine']);
  });

  test('says why it stays out', async () => {
    const cases: [GunicornOptions['args'], string][] = [
      [['--preload'], '--preload'],
      [['-c', 'python:conf'], 'is the module conf'],
    ];
    for (const [args = [], why] of cases) {
      await using gunicorn = await start({ files: { 'conf.py': 'workers = 1\n' }, args });
      const there = pids(gunicorn);
      expect(await whyNot(gunicorn)).toContain(why);
      expect(pids(gunicorn)).toEqual(there);
      expect(gunicorn.output).not.toMatch(/hang up|hup/i);
    }
  });
});

describe.each(EACH)('gunicorn $version, hook by $way', ({ version, way }) => {
  test('an agent takes out what one that was killed has brought in, and leaves what came with the process', async () => {
    await using gunicorn = await Gunicorn.start({ version, way });
    gunicorn.channel.close();
    const agent = await attach(gunicorn);
    expect(agent.channel?.hello.pid).toBe(gunicorn.pid);
    await agent.release();
    const there = await HookChannel.open(gunicorn.pid, '');
    there?.close();
    expect(there !== null).toBe(way === 'start');
    expect(await gunicorn.get()).toMatchObject({ status: 200 });
  });

  test.each(way === 'live' ? ['master.py'] : ['master.py', 'worker.py', 'start.py'])(
    'a damaged %s: a warning, and the service serves',
    async (name) => {
      await using gunicorn = await Gunicorn.start({
        version,
        way: null,
        ...(way === 'start' && { hook: true }),
        damage: { [`drydock_hook/${name}`]: 'import nothing_of_the_kind\n' },
      });
      if (way === 'live') expect(await whyNot(gunicorn)).toContain('the hook stays out: No module named');
      await gunicorn.until('a warning', () => gunicorn.output.includes('drydock: the hook is left out'));
      await gunicorn.until('an answer', async () => (await gunicorn.get()).body === '1');
      await expect(gunicorn.open()).rejects.toThrow('no hook');
    },
  );
});
