/** A debugger in the serving worker, driven by a real client of the adapter: over reloads, timeouts and in init(). */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { parse } from 'jsonc-parser';
import { describe, expect, test } from 'vitest';
import { DEBUGPY } from '../../setup/debugpy.ts';
import { CHECKOUT } from '../../setup/sample.ts';
import { Adapter, DapClient, launchEntry, PYTHON } from '../support/dap.ts';
import { derivedImage, type Difference } from '../support/derived-image.ts';
import { engine } from '../support/engine.ts';
import { Run } from '../support/run.ts';
import { command, FASTAPI, SERVER, WSGI } from '../support/servers.ts';
import { serversImage } from '../support/servers-image.ts';
import { console, drydock, LiveContainer, Running, score, until, Workspace } from '../support/live.ts';

const code = (factor: number) => `import json

FACTOR = ${factor}


def init():
    global model
    model = FACTOR


def run(data):
    rows = json.loads(data)['data']
    count = len(rows)
    return [count * model]
`;
/** `count = …` and what follows it. */
const COUNT = 13;
const INIT = 8;

/** A debugging verb on a free port, once a worker is debugged. */
async function debugging(container: LiveContainer, workspace: Workspace, port: number, ...flags: string[]) {
  const running = new Running(
    ['debug', container.name, '--dir', workspace.app, '--debug-port', String(port), '--json', ...flags],
    workspace,
  );
  const ready = await running.event('a debugged worker', ({ event }) => event === 'debugging');
  return { running, ready: ready as { pid: number; launch: { file: string } } };
}

/** Debugpy as pip would have put it there: the kit's, unpacked. */
async function debugpyFolder(workspace: Workspace): Promise<string> {
  const folder = join(workspace.dir, 'debugpy');
  const archive = join(CHECKOUT, 'dist/kit/debugpy/3.8.zip');
  await execa(PYTHON, ['-m', 'zipfile', '-e', archive, folder]);
  return folder;
}

/** Where the image's Python finds it. */
const PACKAGES = '/usr/local/lib/python3.11/dist-packages/';

const answer = async (url: string) => JSON.parse((await score(url)).body) as unknown;

test('stops in run(), reads and changes a variable, steps, and is there again after a reload', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const file = join(app, 'score.py');
  const url = await container.scoreUrl();
  mkdirSync(join(workspace.dir, '.git')); // what the editor has open; the app is a folder in it
  await using sync = new Running(['sync', container.name, '--dir', app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  writeFileSync(file, code(1));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const { running, ready } = await debugging(container, workspace, 45_671);
  await using _ = running;
  expect(ready).toMatchObject({ own: false, version: DEBUGPY['3.8'] });
  expect(ready.launch.file).toBe(join(workspace.dir, '.vscode/launch.json'));
  const entry = launchEntry(ready.launch.file);

  using client = await DapClient.connect(45_671);
  await client.attach(entry, { [file]: [COUNT] });
  const asked = answer(url);
  const stop = await client.stopped();
  expect(stop).toMatchObject({ name: 'run', line: COUNT, path: file });
  expect((await client.locals(stop.frameId)).values['rows']).toMatch(/^\[\[1, 2, 3/);
  await client.ask('next', { threadId: stop.threadId });
  const next = await client.stopped();
  expect(next.line).toBe(COUNT + 1);
  const { reference, values } = await client.locals(next.frameId);
  expect(values['count']).toBe('2');
  await client.ask('setVariable', { variablesReference: reference, name: 'count', value: '40' });
  await client.ask('continue', { threadId: next.threadId });
  expect(await asked).toEqual([40]);

  writeFileSync(file, code(3));
  expect(await client.event('terminated')).toEqual({ restart: true });
  using again = await DapClient.connect(45_671);
  await again.attach(entry, { [file]: [COUNT] });
  const second = answer(url);
  const there = await again.stopped();
  expect(there).toMatchObject({ name: 'run', line: COUNT });
  await again.ask('continue', { threadId: there.threadId });
  expect(await second).toEqual([6]);
});

test('a worker that stands is not ended for want of a heartbeat', async () => {
  await using container = await LiveContainer.start('plain-user', { args: ['-e', 'WORKER_TIMEOUT=8'] });
  using workspace = new Workspace();
  const { app } = workspace;
  writeFileSync(join(app, 'score.py'), code(1));
  await using sync = new Running(['sync', container.name, '--dir', app, '--prefer', 'host', '--json'], workspace);
  await sync.event('the code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const { running, ready } = await debugging(container, workspace, 45_672);
  await using _ = running;
  using client = await DapClient.connect(45_672);
  await client.attach(launchEntry(ready.launch.file), { [join(app, 'score.py')]: [COUNT] });
  const asked = answer(await container.scoreUrl());
  const stop = await client.stopped();
  await new Promise((waited) => setTimeout(waited, 14_000)); // longer than gunicorn allows: the span itself is the test
  await client.ask('evaluate', { expression: 'count', frameId: stop.frameId }).catch(() => null);
  await client.ask('continue', { threadId: stop.threadId });
  expect(await asked).toEqual([2]);
  expect(sync.events.filter(({ event }) => event === 'exit')).toEqual([]);
});

test('--wait holds the code for a breakpoint in init(), and for no longer than it was told', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const file = join(app, 'score.py');
  await using sync = new Running(['sync', container.name, '--dir', app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  writeFileSync(file, code(5));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  {
    const { running, ready } = await debugging(container, workspace, 45_673, '--wait', '--timeout', '600');
    await using _ = running;
    using client = await DapClient.connect(45_673);
    await client.attach(launchEntry(ready.launch.file), { [file]: [INIT] });
    const stop = await client.stopped();
    expect(stop).toMatchObject({ name: 'init', line: INIT });
    await client.ask('continue', { threadId: stop.threadId });
    await running.event('the held code serves', ({ event, ok }) => event === 'reloaded' && ok === true);
    expect(await answer(await container.scoreUrl())).toEqual([10]);
  }
  const { running } = await debugging(container, workspace, 45_674, '--wait', '--timeout', '1');
  await using _ = running;
  await running.event('it goes on alone', ({ event, ok }) => event === 'reloaded' && ok === true);
});

test('launch.json keeps what is in it, and one that is broken is left alone', async () => {
  await using container = await LiveContainer.start('plain-user', { unpublished: true });
  using workspace = new Workspace();
  const folder = join(workspace.app, '.vscode');
  const file = join(folder, 'launch.json');
  mkdirSync(folder);
  const mine =
    '{\n  // mine\n  "version": "0.2.0",\n  "configurations": [\n    {"name": "tests", "type": "debugpy", "request": "launch"}, // keep\n  ]\n}\n';
  writeFileSync(file, mine);
  {
    const { running } = await debugging(container, workspace, 45_675);
    await using _ = running;
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('// mine');
    expect(text).toContain('// keep');
    const { configurations } = parse(text) as { configurations: { name: string }[] };
    expect(configurations.map(({ name }) => name)).toEqual(['tests', `Drydock: ${container.name}`]);
  }
  writeFileSync(file, '{ "configurations": [');
  const verb = ['debug', container.name, '--dir', workspace.app, '--debug-port', '45676'];
  await using terminal = console(verb, workspace, { columns: 200 });
  await terminal.waitFor('was left as it is');
  await terminal.waitFor(`requirements.txt “debugpy==${DEBUGPY['3.8']}”`);
  await terminal.waitFor(`under pip “- debugpy==${DEBUGPY['3.8']}”`);
  terminal.type('\x03');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
  expect(readFileSync(file, 'utf8')).toBe('{ "configurations": [');
});

test('the image’s own debugpy is taken, and the other workers serve while one stands', async () => {
  using workspace = new Workspace();
  const folder = await debugpyFolder(workspace);
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-user', {
    folders: [{ from: folder, to: 'debugpy' }],
    lines: [`COPY debugpy ${PACKAGES}`],
  });
  await using container = await LiveContainer.start('plain-user', {
    image: image.tag,
    args: ['-e', 'WORKER_COUNT=2'],
  });
  const file = join(workspace.app, 'score.py');
  writeFileSync(file, code(1));
  await using sync = new Running(
    ['sync', container.name, '--dir', workspace.app, '--prefer', 'host', '--json'],
    workspace,
  );
  await sync.event('the code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const { running, ready } = await debugging(container, workspace, 45_677);
  await using _ = running;
  expect(ready).toMatchObject({ own: true, version: DEBUGPY['3.8'] });
  using client = await DapClient.connect(45_677);
  await client.attach(launchEntry(ready.launch.file), { [file]: [COUNT] });
  const url = await container.scoreUrl();
  const stands = client.stopped();
  let stood = false;
  void stands.then(() => (stood = true));
  const asked: Promise<unknown>[] = [];
  // Whichever worker takes it: the first that comes to the debugged one stands.
  await until('one stands', async () => {
    const one = answer(url);
    asked.push(one);
    await Promise.race([one, stands]);
    return stood;
  });
  for (let n = 0; n < 20; n += 1) expect(await answer(url)).toEqual([2]);
  await client.ask('continue', { threadId: (await stands).threadId });
  for (const one of asked) expect(await one).toEqual([2]);
});

test('--listen: workers dial out to an editor that listens, one after the other, and go on where none does', async () => {
  using workspace = new Workspace();
  const { app } = workspace;
  const folder = await debugpyFolder(workspace);
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-user', {
    folders: [{ from: folder, to: 'debugpy' }],
    lines: [`COPY debugpy ${PACKAGES}`, 'ENV AZUREML_DEBUG_PORT=45678'],
  });
  await using started = await new Run().run(image.tag);
  // Nobody is there to be dialled.
  expect(started.told).toMatchObject({ alive: true, error: { type: 'ConnectionRefusedError' } });
  const { name } = started;
  const { scoreUrl } = started.told;
  const listen = ['debug', name, '--listen', '--debug-port', '45678', '--dir', app, '--json'];

  const file = join(app, 'score.py');
  writeFileSync(file, code(2));
  await using sync = new Running(['sync', name, '--dir', app, '--prefer', 'host', '--json'], workspace);
  // By its own: nobody listens yet. A later save or reload would end the process that has dialled for this one.
  await sync.event('the first reload', ({ event }) => event === 'reloaded');
  const reloads = () => sync.events.filter(({ event, ok }) => event === 'reloaded' && ok === true).length;
  {
    await using listening = new Running([...listen, '--timeout', '600'], workspace);
    const told = await listening.event('it listens', ({ event }) => event === 'listening');
    const entry = launchEntry((told as { launch: { file: string } }).launch.file);
    const reload = drydock(['reload', name, '--json'], workspace);
    await listening.event('the worker waits', ({ event, connected }) => event === 'dialled' && connected === false);
    {
      await using adapter = new Adapter(folder, 45_679);
      using client = await adapter.client();
      await client.attach(entry, { [file]: [INIT, COUNT] });
      const stop = await client.stopped();
      expect(stop).toMatchObject({ name: 'init', line: INIT });
      await client.ask('continue', { threadId: stop.threadId });
      expect(JSON.parse((await reload).stdout)).toMatchObject({ ok: true });
      const asked = answer(scoreUrl);
      const again = await client.stopped();
      expect(again).toMatchObject({ name: 'run', line: COUNT });
      await client.ask('continue', { threadId: again.threadId });
      expect(await asked).toEqual([4]);

      // The next worker dials while this one is debugged: the editor is told to listen once more.
      // In one step: one that is seen half written is tried, and its process ends while the editor has it.
      writeFileSync(join(workspace.dir, 'next.py'), code(3));
      renameSync(join(workspace.dir, 'next.py'), file);
      expect(await client.event('terminated')).toEqual({ restart: true });
      await client.ask('disconnect', { restart: true });
    }
    await using adapter = new Adapter(folder, 45_681);
    using client = await adapter.client();
    const before = reloads();
    await client.attach(entry, { [file]: [COUNT] });
    // The last good request, which new code answers before it serves.
    const gate = await client.stopped();
    expect(gate).toMatchObject({ name: 'run', line: COUNT });
    await client.ask('continue', { threadId: gate.threadId });
    await until('the newer code serves', () => reloads() > before);
    const asked = answer(scoreUrl);
    const there = await client.stopped();
    expect(there).toMatchObject({ name: 'run', line: COUNT });
    await client.ask('continue', { threadId: there.threadId });
    expect(await asked).toEqual([6]);
    await client.ask('disconnect', {});
  }
  await using listening = new Running([...listen, '--timeout', '1'], workspace);
  await listening.event('it listens', ({ event }) => event === 'listening');
  const alone = await drydock(['reload', name, '--json'], workspace);
  expect(JSON.parse(alone.stdout)).toMatchObject({ ok: true });
  await listening.event('nobody came', ({ event }) => event === 'released');
  expect(await answer(scoreUrl)).toEqual([6]);
});

test('where no debugger can listen the verb says why, and fails', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const verb = (...flags: string[]) => drydock(['debug', container.name, '--dir', app, ...flags], workspace);

  const listen = await verb('--listen', '--json');
  expect(listen.exitCode).toBe(2);
  expect(listen.stderr).toContain('AZUREML_DEBUG_PORT is not set');

  const hookless = await verb('--no-hook', '--debug-port', '45682');
  expect(hookless).toMatchObject({
    exitCode: 1,
    stdout: 'no debugger listens: the hook stays out: --no-hook, or nobody is attached',
  });

  await container.exec('sv', 'stop', '/var/runit/gunicorn'); // returns when it is down
  const down = await verb('--debug-port', '45682', '--json');
  expect(down.exitCode).toBe(1);
  expect(JSON.parse(down.stdout)).toMatchObject({
    event: 'debugging',
    pid: null,
    trouble: expect.stringMatching(/^no worker serves; `drydock reload`/) as string,
  });
  expect(existsSync(join(app, '.vscode'))).toBe(false);
});

/** `answer.py`, whose line 2 each of them asks for. */
const ANSWER = `def text():
    return WORD


WORD = 'good'
TEXT = b'good'
`;

describe.each<[string, Difference]>([
  [
    'a script',
    {
      files: { 'serve.py': SERVER.replace('answer.TEXT', 'answer.text().encode()'), 'answer.py': ANSWER },
      lines: command('python3', 'serve.py'),
    },
  ],
  [
    'gunicorn with --preload',
    {
      files: { 'web.py': WSGI.replace('answer.TEXT', 'answer.text().encode()'), 'answer.py': ANSWER },
      lines: command('gunicorn', '--preload', '-b', '0.0.0.0:5001', 'web:app'),
    },
  ],
  [
    'uvicorn',
    {
      from: serversImage,
      files: { 'web.py': FASTAPI.replace('answer.TEXT', 'answer.text()'), 'answer.py': ANSWER },
      lines: ['USER dockeruser', ...command('uvicorn', 'web:app', '--host', '0.0.0.0', '--port', '5001')],
    },
  ],
])('%s that `drydock run` started', (_name, difference) => {
  test('is debugged, and asked at a prompt', async () => {
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user', difference);
    await using started = await new Run().run(image.tag);
    const { name, workspace, told } = started;
    writeFileSync(join(workspace.app, 'answer.py'), ANSWER);
    const prompt = await drydock(
      ['repl', name, '-c', "import answer; answer.WORD = 'other'; answer.text()"],
      workspace,
    );
    expect(prompt).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringMatching(/^'other'/) as string });
    expect((await score(told.scoreUrl)).body).toMatch(/^"?good"?$/);
    await using running = new Running(
      ['debug', name, '--dir', workspace.app, '--debug-port', '45690', '--json'],
      workspace,
    );
    const ready = await running.event('a debugged process', ({ event }) => event === 'debugging');
    using client = await DapClient.connect(45_690);
    const { launch } = ready as { launch: { file: string } };
    await client.attach(launchEntry(launch.file), { [join(workspace.app, 'answer.py')]: [2] });
    const asked = score(told.scoreUrl);
    const stop = await client.stopped();
    expect(stop).toMatchObject({ name: 'text', line: 2 });
    const change = { frameId: stop.frameId, expression: "globals().update(WORD='changed')", context: 'repl' };
    await client.ask('evaluate', change);
    await client.ask('continue', { threadId: stop.threadId });
    expect((await asked).body).toMatch(/^"?changed"?$/);
  });
});
