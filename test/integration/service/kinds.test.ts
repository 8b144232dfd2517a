import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceState } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer } from '../../support/service-container.ts';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

const APP = '/home/dockeruser/app/app.py';
const wsgi = (value: number): string => `def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '1')])
    return [b'${value}']
`;

/** The command as PID 1, in a folder with a WSGI application. */
const asPid1 = (command: string): Promise<ScoringContainer> =>
  ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    command: ['sh', '-c', `mkdir ~/app && cd ~/app && printf '%s' "$0" > app.py && exec ${command}`, wsgi(1)],
  });

test('gunicorn as PID 1 with two workers: both are replaced, a broken edit is not served', async () => {
  await using container = await asPid1('gunicorn -w 2 -b 0.0.0.0:5001 app:app');
  await using agent = await container.agent('1000');
  const before = await agent.do<ServiceState>('follow', { auto: false });
  expect(before).toMatchObject({
    server: 'gunicorn',
    supervisor: 'pid1',
    masterPid: 1,
    port: 5001,
    entryScript: APP,
    hold: { held: false, reason: expect.stringContaining('PID 1') as string },
  });
  expect(before.workers).toHaveLength(2);
  expect(await agent.do('root')).toMatchObject({ path: '/home/dockeruser/app' });
  await container.write(APP, 'import nowhere\n');
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'import', error: { type: 'ModuleNotFoundError' } });
  expect(await container.score()).toBe('200 1');
  await container.write(APP, wsgi(2));
  expect(await agent.reload()).toMatchObject({ ok: true });
  for (let i = 0; i < 10; i++) expect(await container.score()).toBe('200 2');
  // The old ones accept nothing more, and end when they are done.
  const old = new Set(before.workers.map(({ pid }) => pid));
  const workers = async () => (await agent.do<ServiceState>('state')).workers;
  await expect.poll(async () => (await workers()).filter(({ pid }) => old.has(pid)), { timeout: 60_000 }).toEqual([]);
  expect(await workers()).toHaveLength(2);
});

test('gunicorn --preload as PID 1 is never touched, and the reason is given', async () => {
  await using container = await asPid1('gunicorn --preload -b 0.0.0.0:5001 app:app');
  await using agent = await container.agent('1000');
  const reason = expect.stringContaining('--preload') as string;
  await container.write(APP, wsgi(2));
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'switch', error: { message: reason } });
  expect(await agent.do('state')).toMatchObject({ cannotReload: reason });
  expect(await container.score()).toBe('200 1');
});

test('a Python server of another kind as PID 1 is found by its socket and can’t be reloaded', async () => {
  await using container = await asPid1('python3 -m http.server 5001');
  await using agent = await container.agent('1000');
  expect(await agent.do('state')).toMatchObject({
    server: 'other',
    supervisor: 'pid1',
    port: 5001,
    cannotReload: expect.stringContaining('PID 1') as string,
  });
});

test('a server on the container’s loopback is well for the agent alone, and the health probe says whom it is to be bound for', async () => {
  const command = (address: string) => ['sh', '-c', `exec python3 -m http.server 5001 --bind ${address}`];
  await using container = await ScoringContainer.start({
    ...{ image: 'plain-user', kit: kit.dir, waits: false },
    command: command('127.0.0.1'),
  });
  await using agent = await container.agent('1000');
  const reached = { name: 'health', ok: true };
  const said = (part: string) => expect.stringContaining(part) as string;
  for (const wish of [{}, { port: 5001 }]) {
    await agent.do('follow', { auto: false, ...wish });
    // It may have been found before it listened.
    await expect
      .poll(() => agent.do('health'), { timeout: 60_000 })
      .toMatchObject({
        ok: false,
        steps: [{ name: 'port', ok: true }, { name: 'reach', ok: false, hint: said('0.0.0.0') }, reached, {}],
      });
    expect(await agent.do('state')).toMatchObject({ port: 5001, loopback: true });
  }
  await using outward = await ScoringContainer.start({
    ...{ image: 'plain-user', kit: kit.dir, waits: false },
    command: command('0.0.0.0'),
  });
  await using other = await outward.agent('1000');
  await expect
    .poll(() => other.do('health'), { timeout: 60_000 })
    .toMatchObject({ steps: [{ name: 'port' }, reached, {}] });
  expect(await other.do('state')).toMatchObject({ port: 5001, loopback: false });
});

test('with WORKER_PRELOAD the service is started again under a held finish', async () => {
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    args: ['-e', 'WORKER_PRELOAD=true'],
  });
  await using agent = await container.agent('1000');
  const before = await agent.do<ServiceState>('follow', { auto: false });
  await container.write('/var/azureml-app/score.py', 'def init():\n    pass\n\n\ndef run(data):\n    return 5\n');
  expect(await agent.reload()).toMatchObject({ ok: true });
  // A restart refuses connections for a while, and the engine's port proxy may pass on an end of one that came too early.
  await container.until('the new code answers', async () => (await container.score().catch(() => '')) === '200 5');
  expect((await agent.do<ServiceState>('state')).masterPid).not.toBe(before.masterPid);
});

test('a service that fails at each start tells why, and starts once it is mended', async () => {
  const score = '/var/azureml-app/score.py';
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    waits: false,
    command: ['sh', '-c', `rm /var/runit/gunicorn/finish; echo 'import nowhere' > ${score}; exec runsvdir /var/runit`],
  });
  await using agent = await container.agent('1000');
  await agent.do('follow', { auto: false });
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'import', error: { type: 'ModuleNotFoundError' } });
  await container.write(score, 'def init():\n    pass\n\n\ndef run(data):\n    return 6\n');
  expect(await agent.reload()).toMatchObject({ ok: true });
  expect(await container.score()).toBe('200 6');
  await agent.do('detach');
  expect(await container.sh('ls -A /var/runit/gunicorn')).toBe('run\nsupervise');
});

test('a server that is not gunicorn is tried by import and started again by runit', async () => {
  const app = '/var/azureml-app/server.py';
  const server = (value: number) => `from wsgiref.simple_server import make_server


def app(environ, start_response):
    start_response('200 OK', [])
    return [b'${value}']


if __name__ == '__main__':
    make_server('', 5001, app).serve_forever()
`;
  const run = '/var/runit/gunicorn/run';
  const line = `printf '%s' "$0" > ${app}; printf '#!/bin/sh\ncd /var/azureml-app; exec python3 server.py' > ${run}; exec runsvdir /var/runit`;
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    command: ['sh', '-c', line, server(1)],
  });
  await using agent = await container.agent('0');
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'other',
    supervisor: 'runit',
    entryScript: app,
  });
  await container.write(app, `import nowhere\n${server(2)}`);
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'import' });
  expect(await container.score()).toBe('200 1');
  await container.write(app, server(3));
  expect(await agent.reload()).toMatchObject({ ok: true });
  expect(await container.score()).toBe('200 3');
});

test('the agent killed while it holds: an abnormal exit then does what it always did', async () => {
  await using container = await ScoringContainer.start({ image: 'plain-user', kit: kit.dir });
  const agent = await container.agent('1000');
  const { masterPid } = await agent.do<ServiceState>('follow', { auto: false });
  agent.ready.catch(() => undefined);
  await container.sh(
    'for p in /proc/[0-9]*; do case $(readlink $p/exe) in /opt/driver/node) kill -9 ${p#/proc/};; esac; done',
  );
  await container.sh(`kill -9 ${masterPid ?? 0}`);
  for (let runs = true; runs;) runs = await container.isRunning();
  expect(await container.logs()).toContain('Killing image');
});
