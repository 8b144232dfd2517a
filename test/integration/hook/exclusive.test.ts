/** Code that wants what can be had only once: the old worker goes first, and comes back where the new one fails. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { app, EACH, Gunicorn } from '../../support/gunicorn.ts';

let port = 0;
beforeAll(async () => {
  port = await portToKeep();
});

/** A free port below those that the system gives away by itself (32768 and up): given back here, it would go to the next gunicorn. */
async function portToKeep(): Promise<number> {
  for (let candidate = 20_000 + (process.pid % 10_000); candidate < 32_768; candidate += 1) {
    const server = createServer().listen(candidate, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    await new Promise((done) => server.close(done));
    return candidate;
  }
  throw new Error('no port is free');
}

/** Above the application: taken at import, and held as long as the process lives. */
const things = {
  port: () =>
    `import socket\nheld = socket.socket()\nheld.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\nheld.bind(('127.0.0.1', ${port}))\nheld.listen()`,
  lock: () => `import fcntl\nheld = open('lock', 'w')\nfcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)`,
};

/** It boots until it is killed; a large process takes its time to end, and lets go of what it holds last. */
const LARGE = `MODEL = bytearray(b'x') * 300_000_000\nopen('boots', 'w')\nimport time\ntime.sleep(600)`;

describe.each(EACH)('gunicorn $version, hook by $way', (how) => {
  test.each(['port', 'lock'] as const)('a %s', async (thing) => {
    const version = (value: string, more = '') => app(value, { before: `${things[thing]()}\n${more}` });
    await using gunicorn = await Gunicorn.start({ ...how, files: { 'app.py': version('first') } });
    for (const value of ['second', 'third', 'fourth']) {
      const stages: string[] = [];
      gunicorn.write('app.py', version(value));
      const hammer = gunicorn.hammer({ perSecond: 50 });
      await gunicorn.accepted({ onStage: (stage) => stages.push(stage) });
      expect((await gunicorn.get()).body).toBe(value);
      expect([...(await hammer.stop()).keys()].filter((answer) => !answer.startsWith('200 '))).toEqual([]);
      expect(stages).toContain('exclusive');
    }
    gunicorn.write('app.py', version('bad', 'raise RuntimeError("no model")'));
    const hammer = gunicorn.hammer({ perSecond: 50 });
    expect(await gunicorn.rejected()).toMatchObject({ failure: { message: 'no model' } });
    expect((await gunicorn.get()).body).toBe('fourth');
    expect([...(await hammer.stop()).keys()]).toEqual(['200 fourth']);
    gunicorn.write('app.py', version('fifth'));
    await gunicorn.accepted();
    expect((await gunicorn.get()).body).toBe('fifth');
  });

  describe.each(['port', 'lock'] as const)('a %s, and code that is taken back', (thing) => {
    const old = (inside = '') => app('old', { before: things[thing](), inside });

    test('while the old worker ends', async () => {
      await using gunicorn = await Gunicorn.start({
        ...how,
        // A request that goes on until it is let go: so long does the worker take to end.
        files: { 'app.py': old(`import time\nwhile os.path.exists('wait'): open('at work', 'w'), time.sleep(0.01)`) },
      });
      await gunicorn.accepted(); // the old code is known now
      gunicorn.write('wait', '');
      const request = gunicorn.post();
      await gunicorn.until('a worker at work', () => existsSync(`${gunicorn.dir}/at work`));
      const taken = new AbortController();
      gunicorn.write('app.py', app('new', { before: things[thing]() }));
      const outcome = gunicorn.candidate({
        gate: null,
        signal: taken.signal,
        onStage: (stage) => stage === 'exclusive' && taken.abort(),
      });
      expect(await outcome).toBeNull();
      gunicorn.remove('wait');
      expect((await request).body).toBe('old');
      expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'old' });
    });

    test('while it boots alone', async () => {
      await using gunicorn = await Gunicorn.start({ ...how, files: { 'app.py': old() } });
      await gunicorn.accepted();
      const taken = new AbortController();
      gunicorn.write('app.py', app('new', { before: `${things[thing]()}\n${LARGE}` }));
      const outcome = gunicorn.candidate({ gate: null, signal: taken.signal });
      await gunicorn.until('it boots', () => existsSync(`${gunicorn.dir}/boots`));
      taken.abort();
      expect(await outcome).toBeNull();
      expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'old' });
    });

    test('for newer code while it boots alone', async () => {
      await using gunicorn = await Gunicorn.start({ ...how, files: { 'app.py': old() } });
      await gunicorn.accepted();
      gunicorn.write('app.py', app('new', { before: `${things[thing]()}\n${LARGE}` }));
      const outcome = gunicorn.candidate({ gate: null });
      await gunicorn.until('it boots', () => existsSync(`${gunicorn.dir}/boots`));
      gunicorn.write('app.py', app('newer', { before: things[thing]() }));
      await gunicorn.accepted();
      expect(await outcome).toBeNull();
      expect(await gunicorn.get()).toMatchObject({ status: 200, body: 'newer' });
    });
  });
});
