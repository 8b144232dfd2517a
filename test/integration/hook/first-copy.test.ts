/** Before any code was accepted: what a service that the hook came into served goes on to be served. */
import { describe, expect, test } from 'vitest';
import { app, Gunicorn } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  const start = (args: readonly string[] = []) =>
    Gunicorn.start({
      version,
      way: null,
      args,
      files: { 'app.py': app('old', { before: 'import helper' }), 'helper.py': 'x = 1\n' },
    });

  test('a worker that dies after the first save was refused', async () => {
    await using gunicorn = await start();
    expect(await gunicorn.inject(gunicorn.dir)).toHaveProperty('channel');
    gunicorn.write('helper.py', 'raise RuntimeError("broken")\n');
    await gunicorn.rejected();
    const [old] = gunicorn.workers;
    gunicorn.signal('SIGKILL', old?.pid);
    await gunicorn.until('another worker', () => gunicorn.workers.some(({ pid }) => pid !== old?.pid));
    expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'old' });
  });

  test('of a project whose folder is a link', async () => {
    await using gunicorn = await start();
    expect(await gunicorn.inject(`/proc/${gunicorn.pid}/cwd`)).toHaveProperty('channel');
    gunicorn.write('app.py', 'def broken(:\n');
    await gunicorn.rejected();
    const [old] = gunicorn.workers;
    gunicorn.signal('SIGKILL', old?.pid);
    await gunicorn.until('another worker', () => gunicorn.workers.some(({ pid }) => pid !== old?.pid));
    expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'old' });
  });
});
