/** `drydock run`: the service answers, or its container lives on with the cause told, and the mend makes it answer. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import type { ProbeReport } from '../../shared/core/service.ts';
import { derivedImage, type Difference } from '../support/derived-image.ts';
import { engine } from '../support/engine.ts';
import { scoringImage, type Variant } from '../support/images.ts';
import { CONDA } from '../support/conda.ts';
import { serversImage } from '../support/servers-image.ts';
import { Run } from '../support/run.ts';
import { command, FASTAPI, SERVER, WSGI } from '../support/servers.ts';
import { console, drydock, LiveContainer, Running, score, until } from '../support/live.ts';

const BROKEN = readFileSync('examples/diabetes/score.py', 'utf8').replace(
  '    global model\n',
  "    raise ValueError('no model today')\n",
);

describe.each<Variant>(['plain-user', 'plain-root'])('%s', (variant) => {
  test('the service answers; the kit is mounted, PID 1 is the image’s own, and a detach is clean', async () => {
    await using started = await new Run().run(await scoringImage(variant));
    expect(started.exitCode).toBe(0);
    expect(started.told).toMatchObject({ name: started.name, stage: 'answered', debugPort: null });
    expect((await score(started.told.scoreUrl)).status).toBe(200);
    expect(await started.inside('cat', '/proc/1/comm')).toBe('runsvdir');
    const { stdout: mounts } = await execa('docker', ['inspect', '-f', '{{json .Mounts}}', started.name]);
    expect(JSON.parse(mounts)).toMatchObject([
      {
        Type: 'volume',
        Destination: '/opt/drydock',
        RW: false,
        Name: expect.stringMatching(/^drydock-kit-/) as string,
      },
    ]);
    // The hook came with the process.
    const reloaded = await drydock(['reload', started.name, '--json'], started.workspace);
    expect(JSON.parse(reloaded.stdout)).toMatchObject({ ok: true, way: 'candidate' });
    const detached = await drydock(['detach', started.name, '--json'], started.workspace);
    expect(detached.exitCode).toBe(0);
    expect(JSON.parse(detached.stdout)).toMatchObject({ kitRemoved: false });
    expect(await started.inside('cat', '/var/runit/gunicorn/finish')).not.toContain('Drydock');
    expect(await started.inside('ls', '-A', '/var/runit/gunicorn')).not.toContain('drydock');
  });

  test('an init() that raises: the cause is told, the container lives, and the mend makes it answer', async () => {
    await using real = await engine();
    await using image = await derivedImage(real, variant, { files: { 'score.py': BROKEN } });
    await using started = await new Run().run(image.tag);
    expect(started.exitCode).toBe(1);
    expect(started.told).toMatchObject({
      stage: 'init',
      alive: true,
      error: { type: 'ValueError', message: 'no model today', file: '/var/azureml-app/score.py', line: 12 },
    });
    const probed = await drydock(['probe', started.name, '--json'], started.workspace);
    const { steps } = JSON.parse(probed.stdout) as ProbeReport;
    expect(probed.exitCode).toBe(1);
    expect(steps.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['init()']);
    expect(steps.filter(({ skipped }) => skipped).map(({ name }) => name)).toEqual(['run()', 'health', 'fresh start']);
    const { app } = started.workspace;
    const good = readFileSync(join(app, 'score.py'), 'utf8');
    writeFileSync(join(app, 'score.py'), BROKEN);
    await using sync = new Running(['sync', started.name, '--dir', app, '--json'], started.workspace);
    await sync.event('ready', ({ event }) => event === 'ready');
    writeFileSync(join(app, 'score.py'), good);
    await until('it answers', async () => (await score(started.told.scoreUrl)).status === 200);
    expect(await started.isRunning()).toBe(true);
  });

  test('a commit has nothing of ours: configuration and files are the image’s and the user’s', async () => {
    await using started = await new Run().run(await scoringImage(variant));
    await started.inside('sh', '-c', 'echo "# mine" >> /var/azureml-app/score.py');
    const { stdout } = await drydock(['commit', started.name, '--json'], started.workspace);
    const { tag } = JSON.parse(stdout) as { tag: string };
    try {
      const config = async (ref: string) =>
        JSON.parse((await execa('docker', ['image', 'inspect', '-f', '{{json .Config}}', ref])).stdout) as Record<
          string,
          unknown
        >;
      const was = await config(await scoringImage(variant));
      const is = await config(tag);
      for (const key of ['Env', 'Cmd', 'User', 'WorkingDir', 'ExposedPorts', 'Volumes']) {
        expect([key, is[key]]).toEqual([key, was[key]]);
      }
      expect(is['Entrypoint'] ?? []).toEqual(was['Entrypoint'] ?? []);
      // What is mounted over is an empty folder, which is no kit.
      await using next = await LiveContainer.start(variant, { image: tag });
      expect(await next.exec('ls', '-A', '/opt/drydock')).toBe('');
      expect(await next.exec('cat', '/var/runit/gunicorn/finish')).not.toContain('Drydock');
      expect(await next.exec('sh', '-c', 'ls -A /var/runit/gunicorn; env')).not.toMatch(/drydock/i);
      const reloaded = await drydock(['reload', next.name, '--json'], started.workspace);
      expect(JSON.parse(reloaded.stdout)).toMatchObject({ ok: true });
    } finally {
      await execa('docker', ['rmi', tag], { reject: false });
    }
  });
});

const put = (path: string, text: string) => {
  const encoded = Buffer.from(text).toString('base64');
  return `RUN mkdir -p $(dirname ${path}) && echo ${encoded} | base64 -d >${path}`;
};

/** What dies before there is a worker to hold, and what is not gunicorn or not under runit. */
describe.each<[string, Difference, string, { file: string; good: string } | null]>([
  [
    'a script as the command',
    { files: { 'serve.py': SERVER, 'answer.py': 'import nowhere\n' }, lines: command('python3', 'serve.py') },
    'ModuleNotFoundError',
    { file: 'answer.py', good: "TEXT = b'mended'\n" },
  ],
  [
    'gunicorn as the command',
    {
      files: { 'web.py': WSGI, 'answer.py': 'import nowhere\n' },
      lines: command('gunicorn', '-b', '0.0.0.0:5001', 'web:app'),
    },
    'ModuleNotFoundError',
    { file: 'answer.py', good: "TEXT = b'mended'\n" },
  ],
  [
    'azmlinfsrv as the command',
    { files: { 'score.py': BROKEN }, lines: command('azmlinfsrv', '--entry_script', 'score.py') },
    'ValueError',
    { file: 'score.py', good: "def init():\n    pass\n\n\ndef run(data):\n    return 'mended'\n" },
  ],
  [
    'conda run as the command',
    {
      files: { 'web.py': WSGI, 'answer.py': 'import nowhere\n' },
      lines: [
        ...Object.entries(CONDA.files).map(([path, text]) => put(path, text)),
        `RUN ${CONDA.make}`,
        ...command(...CONDA.run.split(' '), 'gunicorn', '-b', '0.0.0.0:5001', 'web:app'),
      ],
    },
    'ModuleNotFoundError',
    { file: 'answer.py', good: "TEXT = b'mended'\n" },
  ],
  [
    'uvicorn as the command',
    {
      from: serversImage,
      files: { 'web.py': FASTAPI, 'answer.py': 'import nowhere\n' },
      lines: ['USER dockeruser', ...command('uvicorn', 'web:app', '--host', '0.0.0.0', '--port', '5001')],
    },
    'ModuleNotFoundError',
    { file: 'answer.py', good: "TEXT = 'mended'\n" },
  ],
  [
    'an entry script that is not there',
    { lines: ['ENV AZUREML_ENTRY_SCRIPT=other.py'] },
    'FileNotFoundError',
    { file: 'other.py', good: "def init():\n    pass\n\n\ndef run(data):\n    return 'mended'\n" },
  ],
  [
    'a run script that ends with 95',
    { lines: ["RUN printf '#!/bin/sh\\nexit 95\\n' >/var/runit/gunicorn/run"] },
    'Exit',
    null,
  ],
  ['a command that is not there', { lines: command('nosuchcommand') }, 'Exit', null],
])('%s', (_name, difference, type, mend) => {
  test('survives, and is told', async () => {
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user', difference);
    await using started = await new Run().run(image.tag);
    expect(started.exitCode).toBe(1);
    expect(started.told).toMatchObject({ alive: true, error: { type } });
    expect(await started.isRunning()).toBe(true);
    if (mend === null) return;
    const { workspace } = started;
    const dir = join(workspace.dir, 'mended');
    cpSync(workspace.app, dir, { recursive: true });
    for (const [path, text] of Object.entries(difference.files ?? {})) writeFileSync(join(dir, path), text);
    await using sync = new Running(['sync', started.name, '--dir', dir, '--union', '--json'], workspace);
    await sync.event('ready', ({ event }) => event === 'ready');
    writeFileSync(join(dir, mend.file), mend.good);
    await until('it answers', async () => (await score(started.told.scoreUrl)).body.includes('mended'));
  });
});

test('an agent that dies at the start is asked anew: its word is the only one of a worker that is held', async () => {
  await using real = await engine();
  const difference = { files: { 'web.py': WSGI, 'answer.py': 'import nowhere\n' } };
  const lines = command('gunicorn', '-b', '0.0.0.0:5001', 'web:app');
  await using image = await derivedImage(real, 'plain-user', { ...difference, lines });
  await using started = new Run();
  const killTwo =
    'n=0; while [ $n -lt 2 ]; do for p in /proc/[0-9]*; do case "$(tr "\\0" " " <$p/cmdline 2>/dev/null)" in ' +
    '*sh\\ -c*) ;; *"agent.cjs serve"*) kill -9 ${p#/proc/} && n=$((n+1));; esac; done; done';
  const [, killed] = await Promise.all([
    started.run(image.tag, '--wait', '60'),
    until('the container runs', () => started.isRunning().catch(() => false)).then(() =>
      execa('docker', ['exec', '-u', '0', started.name, 'sh', '-c', killTwo]),
    ),
  ]);
  expect(killed.exitCode).toBe(0);
  expect(started.told).toMatchObject({ alive: true, error: { type: 'ModuleNotFoundError' } });
});

test('on a terminal it goes on into the console: the cause is shown, and saving the mend makes the service healthy', async () => {
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-user', { files: { 'score.py': BROKEN } });
  await using started = new Run();
  const { app } = started.workspace;
  const good = readFileSync(join(app, 'score.py'), 'utf8');
  writeFileSync(join(app, 'score.py'), BROKEN);
  await using terminal = console(['run', image.tag, '--name', started.name, '--dir', app], started.workspace);
  await terminal.waitFor('no model today');
  await terminal.waitFor('0 conflicts'); // the sides have been compared: the mend is an edit of one of them
  writeFileSync(join(app, 'score.py'), good);
  await terminal.waitFor('healthy');
  terminal.type('q');
  expect((await terminal.exited).exitCode).toBe(0);
  expect(await started.isRunning()).toBe(true);
});

test('a restart by the engine is survived like the start, and a stop is not held', async () => {
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-user', {
    files: { 'serve.py': 'raise SystemExit(3)\n' },
    lines: command('python3', 'serve.py'),
  });
  await using started = await new Run().run(image.tag);
  await execa('docker', ['restart', '-t', '60', started.name]);
  await until('it is held again', async () => {
    const { all } = await execa('docker', ['logs', started.name], { all: true });
    return all.match(/ended \(exit code 3/g)?.length === 2;
  });
  expect(await started.isRunning()).toBe(true);
  const from = performance.now();
  await execa('docker', ['stop', '-t', '60', started.name]);
  expect(performance.now() - from).toBeLessThan(30_000);
});

describe('what a user can do wrong', () => {
  test('no such image', async () => {
    await using started = new Run();
    const { exitCode, stderr } = await drydock(
      ['run', 'drydock-test-nothing:7', '--name', started.name],
      started.workspace,
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain('docker pull drydock-test-nothing:7');
  });

  test('an image that names no command', async () => {
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user', { lines: ['ENTRYPOINT []', 'CMD []'] });
    await using started = new Run();
    const { exitCode, stderr } = await drydock(['run', image.tag, '--name', started.name], started.workspace);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('CMD')]);
  });

  test('a service that does not answer in time', async () => {
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user', { lines: command('sleep', '3600') });
    await using started = await new Run().run(image.tag, '--wait', '1');
    expect(started.exitCode).toBe(1);
    expect(started.told).toMatchObject({
      alive: true,
      error: { type: 'Timeout', message: expect.stringContaining('1 s') as string },
    });
  });
});
