/** What the master imports for its workers, and what it leaves alone. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { app, DRAWING, Gunicorn } from '../../support/gunicorn.ts';
import { site } from '../../support/python.ts';

const FILES = {
  'site-packages/harmless.py': 'VALUE = 1\n',
  'site-packages/threaded.py':
    'import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True, name="ticker").start()\n',
  'site-packages/connected.py': 'import socket\nheld = socket.socket()\n',
  'site-packages/ending.py': 'import os\nos._exit(0)\n',
  'site-packages/failing.py': 'raise RuntimeError("no licence")\n',
  'site-packages/needing.py': 'try:\n    import threaded\nexcept ImportError:\n    threaded = None\n',
};

test('imports what leaves nothing behind, and says why it leaves the rest', async () => {
  const files = {
    ...FILES,
    'app.py': app('', { before: 'import sys\nKNOWN = "harmless" in sys.modules' }).replace(
      /body = .*/,
      'body = str(KNOWN).encode()',
    ),
  };
  await using gunicorn = await Gunicorn.start({ version: '23.0.0', way: 'live', files, sites: ['site-packages'] });
  const { descriptors } = gunicorn.usage();
  const names = ['threaded', 'connected', 'ending', 'failing', 'needing', 'harmless', 'nowhere', 'gunicorn.app'];
  const warmed = await gunicorn.channel.warm(names, [join(gunicorn.dir, 'site-packages')]);
  expect(warmed?.modules).toEqual(['harmless']);
  const has = (text: string): string => expect.stringContaining(text) as string;
  expect(warmed?.refused).toEqual({
    threaded: has('starts a thread (ticker)'),
    connected: has('opens socket:'),
    ending: 'its import ended the process',
    failing: has('no licence'),
    needing: 'it needs threaded',
    nowhere: has('ModuleNotFoundError'),
  });
  expect(gunicorn.usage().descriptors).toBe(descriptors);
  await gunicorn.accepted();
  expect((await gunicorn.get()).body).toBe('True');
  expect(Object.keys((await reopened(gunicorn)).packages ?? {})).toEqual([join(gunicorn.dir, 'site-packages')]);
});

test('workers of a warm master draw different numbers', async () => {
  const numpy = await site('numpy', ['numpy']);
  await using gunicorn = await Gunicorn.start({
    version: '23.0.0',
    way: 'start',
    files: { 'app.py': DRAWING },
    sites: [numpy],
    args: ['-w', '2'],
  });
  const warmed = await gunicorn.channel.warm(['numpy'], []);
  expect(warmed).toMatchObject({ modules: ['numpy'], refused: {} });
  await gunicorn.accepted();
  const answers = await gunicorn.answersOf(2);
  expect(answers.map((answer) => answer.split(' ')[0])).toEqual(['True', 'True']);
  expect(new Set(answers).size).toBe(2);
});

async function reopened(gunicorn: Gunicorn) {
  gunicorn.channel.close();
  await gunicorn.open();
  return gunicorn.channel.hello;
}
