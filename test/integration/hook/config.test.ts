/** Which configuration file a HUP reads, and that a HUP that brings the hook in takes nothing over from it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { app, Gunicorn, type GunicornOptions } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

const pids = (gunicorn: Gunicorn) => gunicorn.workers.map(({ pid }) => pid);

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  const start = (options: Partial<GunicornOptions> = {}) => Gunicorn.start({ version, way: null, ...options });

  test('a configuration that was changed or broken since the start stays as it was read', async () => {
    const conf = `import os
os.mkdir('made once')
workers = 2
raw_env = ['MODE=first']
def on_reload(arbiter):
    print('on_reload of the user')
`;
    await using gunicorn = await start({
      files: { 'conf/gunicorn.py': conf },
      args: ['-c', 'conf/gunicorn.py'],
    });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    gunicorn.signal('SIGTTIN');
    await gunicorn.until('three workers', () => gunicorn.workers.length === 3);
    const before = pids(gunicorn);
    gunicorn.write('conf/gunicorn.py', 'def broken(:\n');
    await gunicorn.hook();
    expect(pids(gunicorn)).toEqual(before);
    expect(gunicorn.channel.hello.wanted).toBe(3);
    expect(readFileSync(join(gunicorn.dir, 'conf/gunicorn.py'), 'utf8')).toBe('def broken(:\n');
    expect(readdirSync(join(gunicorn.dir, 'conf'))).toEqual(['gunicorn.py']);
    // The settings live on in new workers.
    gunicorn.write('app.py', app('new', { before: `print('MODE is', os.environ['MODE'])` }));
    await gunicorn.accepted();
    expect(gunicorn.output).toContain('MODE is first');
    await gunicorn.uninstall();
    await gunicorn.until('the old workers are gone', () => gunicorn.workers.length === 3);
  });

  test('nothing of ours lies in the folder afterwards', async () => {
    await using gunicorn = await start();
    const before = readdirSync(gunicorn.dir);
    await gunicorn.hook();
    expect(readdirSync(gunicorn.dir)).toEqual(before);
  });

  test('no HUP where it is not certain which file it reads', async () => {
    await using gunicorn = await start({ files: { 'deep/app.py': app('deep') }, args: ['--chdir', 'deep'] });
    const injection = await gunicorn.inject();
    expect(injection).toEqual({
      why: expect.stringContaining('has gone from the folder that it was started in') as string,
    });
    await gunicorn.get(); // by now it would have been handled
    expect(gunicorn.output).not.toMatch(/Hang up|hup/);
  });

  test('a configuration named in GUNICORN_CMD_ARGS', async () => {
    await using gunicorn = await start({
      files: { 'other/conf.py': 'workers = 2\n' },
      env: { GUNICORN_CMD_ARGS: '-c other/conf.py' },
    });
    await gunicorn.until('two workers', () => gunicorn.workers.length === 2);
    const before = pids(gunicorn);
    await gunicorn.hook();
    expect(pids(gunicorn)).toEqual(before);
    expect(existsSync(join(gunicorn.dir, 'gunicorn.conf.py'))).toBe(false);
  });
});
