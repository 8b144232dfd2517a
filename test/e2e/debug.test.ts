/** A debugger in the serving worker, driven by a real client of the adapter: over reloads, timeouts and in init(). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { DapClient } from '../support/dap.ts';
import { LiveContainer, Running, score, Workspace } from '../support/live.ts';

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

const config = (file: string, app: string) => {
  const [entry] = (parse(readFileSync(file, 'utf8')) as { configurations: Record<string, unknown>[] }).configurations;
  return { ...entry, pathMappings: [{ localRoot: app, remoteRoot: '/var/azureml-app' }] };
};

const answer = async (url: string) => JSON.parse((await score(url)).body) as unknown;

test('stops in run(), reads and changes a variable, steps, and is there again after a reload', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const file = join(app, 'score.py');
  const url = await container.scoreUrl();
  await using sync = new Running(['sync', container.name, '--dir', app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  writeFileSync(file, code(1));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const { running, ready } = await debugging(container, workspace, 45_671);
  await using _ = running;
  const entry = config(ready.launch.file, app);

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
  await client.attach(config(ready.launch.file, app), { [join(app, 'score.py')]: [COUNT] });
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
    await client.attach(config(ready.launch.file, app), { [file]: [INIT] });
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
  const { running } = await debugging(container, workspace, 45_676);
  await using _ = running;
  expect(readFileSync(file, 'utf8')).toBe('{ "configurations": [');
  expect(running.stderr).toContain('was left as it is');
});

test('--listen says what is missing where no worker dials out', async () => {
  await using container = await LiveContainer.start('plain-user', { unpublished: true });
  using workspace = new Workspace();
  const verb = new Running(['debug', container.name, '--listen', '--json'], workspace);
  await using _ = verb;
  expect(await verb.exited).toBe(2);
  expect(verb.stderr).toContain('AZUREML_DEBUG_PORT is not set');
});
