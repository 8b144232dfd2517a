/** An app folder that the container may not write: said with what to do, what can travel does, and nothing is taken for done. */
import { appendFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { APP } from '../kills/pair.ts';
import { scoringImage } from '../support/images.ts';
import { uniqueName } from '../support/engine.ts';
import { console, drydock, LiveContainer, Running, SAMPLE, score, until, Workspace } from '../support/live.ts';

const READ_ONLY = /\/var\/azureml-app is read-only in the container: nothing arrives there/;
const docker = (...argv: string[]) => execa('docker', argv);
const volume = uniqueName('read-only');

/** Filled from the image, as the engine does it for whoever mounts it first. */
beforeEach(async () => {
  await docker('run', '--rm', '-v', `${volume}:${APP}`, await scoringImage('plain-user'), 'true');
});
afterEach(async () => {
  await docker('volume', 'rm', '-f', volume);
});

const withVolume = () => LiveContainer.start('plain-user', { args: ['-v', `${volume}:${APP}:ro`] });

/** Somebody else, who may write the volume. */
const inVolume = async (script: string) =>
  docker('run', '--rm', '-v', `${volume}:${APP}`, '-w', APP, await scoringImage('plain-user'), 'sh', '-c', script);

const sync = (workspace: Workspace, container: LiveContainer, ...flags: string[]) =>
  drydock(['sync', container.name, '--once', '--no-reload', ...flags], workspace);

test('a named volume: sync --once says so, fetches what is new there, and ends with 4 while an edit cannot arrive', async () => {
  using workspace = new Workspace();
  await using container = await withVolume();
  const { app } = workspace;
  const equal = await sync(workspace, container, '--dir', app);
  expect(equal.stdout).toMatch(READ_ONLY);
  expect(equal.exitCode).toBe(0);
  appendFileSync(join(app, 'score.py'), '# the host’s\n');
  await inVolume('echo theirs >theirs.txt');
  const differs = await sync(workspace, container, '--dir', app);
  expect(differs.stdout).toMatch(READ_ONLY);
  expect(differs.stdout).toContain('without :ro');
  expect(differs.exitCode).toBe(4);
  expect(readFileSync(join(app, 'theirs.txt'), 'utf8')).toBe('theirs\n');
  expect(readFileSync(join(app, 'score.py'), 'utf8')).toContain('# the host’s');
});

test('a named volume: sync goes on, says it once, rests, and what is edited meanwhile waits', async () => {
  using workspace = new Workspace();
  await using container = await withVolume();
  await using running = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
  await running.event('ready', ({ event }) => event === 'ready');
  writeFileSync(join(workspace.app, 'new.txt'), 'new');
  await inVolume('echo theirs >theirs.txt; echo "# theirs" >>train.py');
  await until('the volume’s arrive', () => existsSync(join(workspace.app, 'theirs.txt')));
  await until('its edit as well', () => readFileSync(join(workspace.app, 'train.py'), 'utf8').includes('# theirs'));
  expect(running.events.filter(({ event }) => event === 'problem')).toEqual([
    { event: 'problem', path: '', message: expect.stringMatching(READ_ONLY) as string },
  ]);
  expect(running.events.filter(({ event }) => event === 'waiting' || event === 'halted')).toEqual([]);
  running.kill('SIGTERM');
  expect(await running.exited).toBe(0);
  expect(readFileSync(join(workspace.app, 'new.txt'), 'utf8')).toBe('new');
});

test('a named volume: the console says so, and the copy that it offers takes edits', async () => {
  using workspace = new Workspace();
  await using container = await withVolume();
  const { app } = workspace;
  {
    await using terminal = console(['attach', container.name, '--dir', app], workspace, { columns: 160, rows: 30 });
    await terminal.waitFor(READ_ONLY);
    expect(await terminal.waitFor(/drydock commit/)).not.toContain('the service answers');
    appendFileSync(join(app, 'score.py'), '# the host’s\n');
    await terminal.waitFor(/score\.py .*not there yet/);
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  }
  const committed = await drydock(['commit', container.name, '--json'], workspace);
  const { tag } = JSON.parse(committed.stdout) as { tag: string };
  try {
    await using copy = await LiveContainer.start('plain-user', { image: tag, cold: true });
    const met = await sync(workspace, copy, '--dir', app, '--prefer', 'host');
    expect(met.stdout).not.toMatch(READ_ONLY);
    expect(met.exitCode).toBe(0);
    expect(await copy.exec('cat', `${APP}/score.py`)).toContain('# the host’s');
  } finally {
    await docker('rmi', '-f', tag);
  }
});

test('a folder of this machine: its own source is edited and reloaded; another folder is told', async () => {
  using workspace = new Workspace();
  const { app } = workspace;
  await execa('chmod', ['-R', 'a+rX', workspace.dir]);
  await using seed = await LiveContainer.start('plain-user', { cold: true, command: ['sleep', 'infinity'] });
  await docker('cp', '-q', `${seed.name}:${APP}/.`, app);
  await using container = await LiveContainer.start('plain-user', { args: ['-v', `${app}:${APP}:ro`] });
  const url = await container.scoreUrl();
  {
    await using running = new Running(['sync', container.name, '--json'], workspace);
    expect(await running.event('ready', ({ event }) => event === 'ready')).toMatchObject({ dir: app });
    const code = readFileSync(join(app, 'score.py'), 'utf8');
    writeFileSync(
      join(app, 'score.py'),
      code.replace(/return (?!json\.dumps\(\{'mark').*$/m, "return {'mark': 'bound'}"),
    );
    await until('/score says so', async () => (await score(url)).body.includes('bound'));
    expect(running.events.filter(({ event }) => event === 'problem')).toEqual([]);
  }
  const other = join(workspace.dir, 'other');
  cpSync(SAMPLE, other, { recursive: true });
  const told = await sync(workspace, container, '--dir', other, '--prefer', 'host');
  expect(told.stdout).toMatch(READ_ONLY);
  expect(told.exitCode).toBe(4);
  expect(readFileSync(join(app, 'score.py'), 'utf8')).toContain('bound');
});
