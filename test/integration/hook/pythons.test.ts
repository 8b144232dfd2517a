/** The heart of the hook on other Pythons than this machine's, with the first and the last gunicorn that start there. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { app, DRAWING, Gunicorn, TELLING, type GunicornOptions } from '../../support/gunicorn.ts';
import { site, TOO_OLD, type Python } from '../../support/python.ts';
import { OTHERS, otherPython, type OtherVersion } from '../../support/pythons.ts';

const EACH = (Object.keys(OTHERS) as OtherVersion[]).flatMap((python) =>
  OTHERS[python].flatMap((version) => (['live', 'start'] as const).map((way) => ({ python, version, way }))),
);

describe.each(EACH)('Python $python, gunicorn $version, hook by $way', ({ python, version, way }) => {
  let interpreter: Python;
  let gunicorn: Gunicorn;
  const start = (options: Partial<GunicornOptions> = {}) =>
    Gunicorn.start({ interpreter, version, way, files: { 'app.py': app('old') }, ...options });
  beforeAll(async () => {
    interpreter = await otherPython(python);
    gunicorn = await start();
    await gunicorn.accepted();
    await gunicorn.until('the old worker is gone', () => gunicorn.workers.length === 1);
  });
  afterAll(() => gunicorn[Symbol.asyncDispose]());

  test('is of that Python', () => {
    expect(gunicorn.channel.hello).toMatchObject({
      gunicorn: version,
      python: expect.stringMatching(`^${python.replace('.', '\\.')}\\.`) as string,
    });
  });

  test.each([
    ['raises at import', 'raise RuntimeError("no model")', { type: 'RuntimeError', message: 'no model' }, 2],
    ['raises in init', 'def init():\n    raise KeyError("x")\ninit()', { type: 'KeyError', init: true }, 3],
    ['has an error of syntax', 'def f(:', { type: 'SyntaxError' }, 2],
    ['ends the process', 'os._exit(3)', { type: 'Exit', message: expect.stringContaining('exit code 3') as string }, 0],
  ])('code that %s is refused', async (_, before, failure, line) => {
    const rejected = await gunicorn.refused(app('new', { before }));
    expect(rejected).toMatchObject({ stage: 'import', failure });
    const frame = rejected.failure?.frames.at(-1);
    if (line === 0) expect(frame).toBeUndefined();
    else expect(frame).toMatchObject({ file: `${gunicorn.dir}/app.py`, line, user: true });
  });

  test('a trial beside the service says what is wrong', async () => {
    gunicorn.write('app.py', app('new', { before: 'def init():\n    raise KeyError("x")\ninit()' }));
    const frame = { file: `${gunicorn.dir}/app.py`, line: 3, function: 'init', user: true };
    expect(await gunicorn.trial()).toMatchObject({
      stage: 'init',
      error: { type: 'KeyError', frames: [{}, expect.objectContaining(frame)] },
    });
    gunicorn.write('app.py', app('old'));
    expect(await gunicorn.trial()).toMatchObject({ stage: 'import', files: [`${gunicorn.dir}/app.py`] });
    expect(gunicorn.bytecode).toEqual([]);
  });

  test('code that fails at the last good request is refused', async () => {
    const gate = { method: 'POST', path: '/score', query: '', headers: {}, body: '' };
    expect(await gunicorn.refused(app('new', { inside: 'raise KeyError("x")' }), { gate })).toMatchObject({
      stage: 'gate',
      failure: { type: 'KeyError', frames: [{ file: `${gunicorn.dir}/app.py`, line: 6, user: true }] },
    });
  });

  test('good code serves, and no request fails', async () => {
    await gunicorn.post(); // the gate's
    gunicorn.write('app.py', app('good'));
    const hammer = gunicorn.hammer();
    const promoted = await gunicorn.accepted();
    const [...answers] = (await hammer.stop()).keys();
    expect(answers.filter((answer) => !['200 old', '200 good'].includes(answer))).toEqual([]);
    expect(await gunicorn.get()).toMatchObject({ body: 'good', pid: promoted.pid });
    expect(promoted.gate).toMatchObject({ path: '/score', status: '200 OK' });
    await gunicorn.until('the old worker is gone', () => gunicorn.workers.length === 1);
    // A worker that takes its place has the code that was accepted.
    gunicorn.write('app.py', 'def broken(:\n');
    gunicorn.signal('SIGKILL', promoted.pid);
    expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'good' });
  });

  test('a worker that does not start answers with why', async () => {
    const bad = 'raise RuntimeError("no model")\n';
    await using held = await start(way === 'start' ? { files: { 'app.py': bad }, waits: false } : {});
    if (way === 'live') {
      held.write('app.py', bad);
      held.signal('SIGKILL', (await held.get()).pid);
    }
    const { status, body } = await held.post();
    expect(status).toBe(503);
    expect(body).toContain(`File "${held.dir}/app.py", line 1, in <module>`);
    expect(body).toContain('RuntimeError: no model');
    expect(body).not.toContain('drydock_hook');
    held.write('app.py', app('mended'));
    await held.accepted();
    expect(await held.get()).toMatchObject({ status: 200, body: 'mended' });
  });

  test('the master imports for its workers', async () => {
    const numpy = await site('numpy', ['numpy'], interpreter);
    await using warm = await start({ files: { 'app.py': DRAWING }, sites: [numpy], args: ['-w', '2'] });
    const warmed = await warm.channel.warm(['numpy'], []);
    expect(warmed).toMatchObject({ modules: ['numpy'], refused: {} });
    await warm.accepted();
    const answers = await warm.answersOf(2);
    expect(answers.map((answer) => answer.split(' ')[0])).toEqual(['True', 'True']);
    expect(new Set(answers).size).toBe(2);
  });

  if (way === 'live') {
    test('goes out again without a trace', async () => {
      const files = { 'app.py': app('old'), 'conf.py': TELLING };
      await using taken = await start({ way: null, files, args: ['-c', 'conf.py'] });
      const before = await taken.seen();
      const { descriptors } = taken.usage();
      const [worker] = taken.workers;
      await taken.hook();
      expect(taken.workers.map(({ pid }) => pid)).toEqual([worker?.pid]);
      taken.write('app.py', app('new'));
      await taken.accepted();
      await taken.uninstall();
      expect(await taken.seen()).toBe(before);
      await taken.until('no descriptor more', () => taken.usage().descriptors <= descriptors);
      expect(readFileSync(`${taken.dir}/conf.py`, 'utf8')).toBe(TELLING);
    });
  }
});

test('a gunicorn that is older than the hook knows is left alone', async () => {
  const interpreter = await otherPython('3.9');
  await using gunicorn = await Gunicorn.start({ interpreter, version: TOO_OLD, way: null });
  const before = gunicorn.workers.map(({ pid }) => pid);
  expect(await gunicorn.inject()).toEqual({ why: 'the hook stays out: gunicorn 19.7.1 is older than 19.9' });
  expect(gunicorn.workers.map(({ pid }) => pid)).toEqual(before);
  expect(await gunicorn.get()).toMatchObject({ status: 200 });
});
