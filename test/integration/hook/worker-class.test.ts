/** Workers of other classes than gunicorn's usual one. */
import { describe, expect, test } from 'vitest';
import { app, Gunicorn } from '../../support/gunicorn.ts';

// gunicorn 19.9's thread workers need a Python before 3.10.
describe.each(['20.1.0', '23.0.0', '27.0.1'] as const)('threads, gunicorn %s', (version) => {
  test('are no more answered with old code, and pass the gate', async () => {
    await using gunicorn = await Gunicorn.start({ version, way: 'live', args: ['--threads', '4'] });
    gunicorn.write('app.py', app('new'));
    await gunicorn.accepted();
    expect(await gunicorn.post()).toMatchObject({ status: 200, body: 'new' });
    gunicorn.write('app.py', app('newer', { inside: 'raise KeyError("x")' }));
    const gate = { method: 'POST', path: '/score', query: '', headers: {}, body: '' };
    expect(await gunicorn.rejected({ gate })).toMatchObject({ stage: 'gate', failure: { type: 'KeyError' } });
    expect(await gunicorn.get()).toMatchObject({ body: 'new' });
  });

  test('lose no request while new code takes over, again and again', async () => {
    await using gunicorn = await Gunicorn.start({ version, way: 'start', args: ['--threads', '4'] });
    const hammer = gunicorn.hammer();
    for (let i = 0; i < 20; i++) {
      gunicorn.write('app.py', app(`generation ${i}`));
      await gunicorn.accepted();
    }
    const answers = await hammer.stop();
    expect([...answers.keys()].filter((answer) => !answer.startsWith('200 '))).toEqual([]);
    expect(await gunicorn.get()).toMatchObject({ body: 'generation 19' });
  });
});

const asgi = (value: string, before = '') => `${before}
async def app(scope, receive, send):
    if scope['type'] != 'http':
        raise NotImplementedError(scope['type'])
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'${value.length}')]})
    await send({'type': 'http.response.body', 'body': b'${value}'})
`;

test.each(['live', 'start'] as const)('gunicorn’s own ASGI workers, hook by %s', async (way) => {
  await using gunicorn = await Gunicorn.start({
    version: '27.0.1',
    way,
    args: ['-k', 'asgi'],
    files: { 'app.py': asgi('old') },
  });
  const before = gunicorn.workers.map(({ pid }) => pid);
  gunicorn.write('app.py', asgi('new', 'raise RuntimeError("no model")'));
  expect(await gunicorn.rejected()).toMatchObject({ failure: { type: 'RuntimeError' } });
  await gunicorn.until('the candidate is gone', () => gunicorn.workers.length === before.length);
  expect(gunicorn.workers.map(({ pid }) => pid)).toEqual(before);
  gunicorn.write('app.py', asgi('new'));
  await gunicorn.accepted();
  await gunicorn.until('the new code', async () => (await gunicorn.get()).body === 'new');
});

test('an ASGI worker that is held', async () => {
  await using gunicorn = await Gunicorn.start({
    version: '27.0.1',
    way: 'start',
    waits: false,
    args: ['-k', 'asgi'],
    files: { 'app.py': 'raise RuntimeError("no model")\n' },
  });
  await gunicorn.until('503', async () => (await gunicorn.get().catch(() => null))?.status === 503);
  expect((await gunicorn.get()).body).toContain('RuntimeError: no model');
  gunicorn.write('app.py', asgi('mended'));
  await gunicorn.accepted();
  await gunicorn.until('the mended code', async () => (await gunicorn.get()).body === 'mended');
});

test('a class that is not known is left alone', async () => {
  await using gunicorn = await Gunicorn.start({
    version: '23.0.0',
    way: null,
    args: ['-k', 'strange.Worker'],
    files: {
      // Of an own module, and with a base that says nothing of what it calls.
      'strange.py': `from gunicorn.workers.base import Worker as Base
from gunicorn.workers.sync import SyncWorker
class Worker(Base):
    pass
for name, value in {**vars(SyncWorker)}.items():
    if not name.startswith('__'):
        setattr(Worker, name, value)
`,
    },
  });
  const before = gunicorn.workers.map(({ pid }) => pid);
  expect(await gunicorn.inject()).toEqual({ why: 'the hook stays out: the worker class Worker is not known' });
  expect(gunicorn.output).toContain('the worker class Worker is not known');
  expect(gunicorn.workers.map(({ pid }) => pid)).toEqual(before);
  expect(await gunicorn.get()).toMatchObject({ status: 200 });
});
