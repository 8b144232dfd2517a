/** What new code may do in a candidate worker, while the old workers serve. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processOf } from '../../../agent/service/procfs.ts';
import { app, EACH, Gunicorn } from '../../support/gunicorn.ts';

describe.each(EACH)('gunicorn $version, hook by $way', (how) => {
  let gunicorn: Gunicorn;
  beforeAll(async () => {
    gunicorn = await Gunicorn.start({ ...how, files: { 'app.py': app('old') } });
    await gunicorn.accepted();
    await gunicorn.until('the old worker is gone', () => gunicorn.workers.length === 1);
  });
  afterAll(() => gunicorn[Symbol.asyncDispose]());

  test.each([
    ['a syntax error', app('new', { before: 'def f(:' }), { type: 'SyntaxError' }],
    ['a module that is missing', app('new', { before: 'import nowhere' }), { type: 'ModuleNotFoundError' }],
    [
      'an exception',
      app('new', { before: 'raise RuntimeError("no model")' }),
      { type: 'RuntimeError', message: 'no model' },
    ],
    ['sys.exit()', app('new', { before: 'import sys\nsys.exit(3)' }), { type: 'SystemExit', message: '3' }],
    [
      'os._exit(3)',
      app('new', { before: 'os._exit(3)' }),
      { type: 'Exit', message: 'the code ended the process with exit code 3' },
    ],
    [
      'SIGKILL',
      app('new', { before: 'os.kill(os.getpid(), 9)' }),
      { type: 'Exit', message: 'the process was ended by SIGKILL' },
    ],
    ['no application', 'x = 1\n', { type: 'AppImportError' }],
  ])('%s', async (_, text, failure) => {
    const rejected = await gunicorn.refused(text);
    expect(rejected).toMatchObject({ stage: 'import', failure });
    if (failure.type === 'RuntimeError') {
      expect(rejected.failure?.frames.at(-1)).toMatchObject({ file: `${gunicorn.dir}/app.py`, line: 2, user: true });
    }
  });

  test('a loop without an end', async () => {
    const rejected = await gunicorn.refused(app('new', { before: 'while True: pass' }), { deadlineMs: 300 });
    expect(rejected).toMatchObject({
      failure: { type: 'Deadline', message: 'the code was still in import after 0.3 s' },
    });
  });

  test('an answer of 500 to the last good request', async () => {
    // The last good request is the newest: one a second is kept.
    const gate = { method: 'POST', path: '/score', query: '', headers: {}, body: '' };
    const inside = `start_response('500 Internal Server Error', [])\nreturn [b'oops']`;
    expect(await gunicorn.refused(app('new', { inside }), { gate })).toMatchObject({
      stage: 'gate',
      failure: { type: 'GateError' },
      gate: { path: '/score', status: '500 Internal Server Error', answer: Buffer.from('oops').toString('base64') },
    });
    expect(await gunicorn.refused(app('new', { inside: 'raise KeyError("x")' }), { gate })).toMatchObject({
      stage: 'gate',
      failure: { type: 'KeyError' },
    });
  });

  test('what new code starts ends with it', async () => {
    const spawned = `import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '600']).pid))\nraise ValueError`;
    await gunicorn.refused(app('new', { before: spawned }));
    const pid = Number(readFileSync(`${gunicorn.dir}/pid`, 'utf8'));
    await gunicorn.until('the child is gone', () => processOf(pid) === null);
  });

  test('good code serves, and no request fails', async () => {
    gunicorn.write('app.py', app('good'));
    const hammer = gunicorn.hammer();
    const promoted = await gunicorn.accepted();
    expect((await gunicorn.get()).body).toBe('good');
    const answers = await hammer.stop();
    expect([...answers.keys()].filter((answer) => !['200 old', '200 good'].includes(answer))).toEqual([]);
    expect(promoted.files).toEqual([`${gunicorn.dir}/app.py`]);
    await gunicorn.until('the old worker is gone', () => gunicorn.workers.length === 1);
    expect(gunicorn.workers[0]?.pid).toBe(promoted.pid);
  });
});
