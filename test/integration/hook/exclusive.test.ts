/** Code that wants what can be had only once: the old worker goes first, and comes back where the new one fails. */
import { createServer, type AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { app, EACH, Gunicorn } from '../../support/gunicorn.ts';

let port = 0;
beforeAll(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  port = (server.address() as AddressInfo).port;
  await new Promise((done) => server.close(done));
});

/** Above the application: taken at import, and held as long as the process lives. */
const things = {
  port: () =>
    `import socket\nheld = socket.socket()\nheld.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\nheld.bind(('127.0.0.1', ${port}))\nheld.listen()`,
  lock: () => `import fcntl\nheld = open('lock', 'w')\nfcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)`,
};

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
});
