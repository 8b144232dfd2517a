/** New code that is good on trial and fails in the service, where no candidate can be: the code before it comes back. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildDriverKit, ScoringContainer } from '../../support/service-container.ts';
import { serversImage } from '../../support/servers-image.ts';

const APP = '/var/azureml-app';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

/** Only the first process that loads it gets through. */
const TRAP = `import os
if os.path.exists('/tmp/loaded'):
    raise RuntimeError('a second time')
open('/tmp/loaded', 'w').close()
`;
const helper = (value: number) => `VALUE = ${value}\n`;
const script = 'import helper\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return helper.VALUE\n';
const fastapi = `import helper
from fastapi import FastAPI

app = FastAPI()


@app.post('/score')
def run():
    return helper.VALUE


@app.get('/')
def health():
    return 'well'
`;

test.each([
  { what: 'gunicorn without the hook', args: [], hook: false },
  { what: 'gunicorn --preload', args: ['-e', 'WORKER_PRELOAD=true'], hook: true },
  { what: 'uvicorn', args: [], hook: true },
])('$what under runit', async ({ what, args, hook }) => {
  const isUvicorn = what === 'uvicorn';
  const run = `#!/bin/sh\ncd ${APP}\nexec python3 -m uvicorn score:app --host 0.0.0.0 --port 5001\n`;
  const start = `printf '%s' "$0" >${APP}/score.py; echo VALUE=1 >${APP}/helper.py; [ -z "$1" ] || printf '%s' "$1" >/var/runit/gunicorn/run; exec runsvdir /var/runit`;
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    ...(isUvicorn && { tag: await serversImage() }),
    kit: kit.dir,
    args: ['-u', '1000', ...args],
    command: ['sh', '-c', start, isUvicorn ? fastapi : script, isUvicorn ? run : ''],
  });
  const serves = (value: number) =>
    container.until(`${value} is served`, async () => (await container.score().catch(() => '')) === `200 ${value}`);
  await serves(1);
  await using agent = await container.agent('1000');
  await agent.do('follow', { auto: false, hook });

  // Before anything was reloaded.
  await container.write(`${APP}/helper.py`, TRAP + helper(2));
  const failed = await agent.reload();
  expect(failed).toMatchObject({ ok: false, way: 'trial' });
  expect(failed.error?.message).toContain('the code before it was started again, and serves');
  await serves(1);
  expect(await container.sh(`cat ${APP}/helper.py`)).toContain('a second time');
  expect(await container.sh('ls -A /var/runit/gunicorn')).not.toMatch(/run\.drydock|\.run/);

  // The mend is loaded from the disk, and is what comes back the next time.
  await container.write(`${APP}/helper.py`, helper(3));
  const mended = await agent.reload();
  expect(mended, JSON.stringify(mended)).toMatchObject({ ok: true, way: 'trial' });
  await serves(3);
  await container.sh('rm /tmp/loaded');
  await container.write(`${APP}/helper.py`, TRAP + helper(4));
  expect(await agent.reload()).toMatchObject({ ok: false });
  await serves(3);

  await agent.do('detach');
  const { stdout } = await execa('docker', [
    'exec',
    container.id,
    'sh',
    '-c',
    'ls -A /var/runit/gunicorn /dev/shm /tmp',
  ]);
  expect(stdout).not.toContain('drydock');
  expect(await container.isRunning()).toBe(true);
});

test('a gunicorn that ends before it has started a worker says nothing of the new code, which is started', async () => {
  const start = `printf '%s' "$0" >${APP}/score.py; echo VALUE=1 >${APP}/helper.py; exec runsvdir /var/runit`;
  await using container = await ScoringContainer.start({
    image: 'plain-user',
    kit: kit.dir,
    args: ['-u', '1000'],
    command: ['sh', '-c', start, script],
  });
  const serves = (value: number) =>
    container.until(`${value} is served`, async () => (await container.score().catch(() => '')) === `200 ${value}`);
  await serves(1);
  await using agent = await container.agent('1000');
  const { masterPid } = await agent.do<{ masterPid: number }>('follow', { auto: false, hook: false });
  await container.write(`${APP}/helper.py`, helper(2));
  await container.sh(`kill -STOP ${masterPid}`);
  const reload = agent.reload();
  const isTold = async () => (await agent.do<{ phase: string }>('state')).phase === 'switching';
  await container.until('it is told to load the code', isTold);
  await container.sh(`kill -KILL ${masterPid}`);
  expect(await reload).toMatchObject({ ok: true });
  await serves(2);
});
