/** What sync overwrote or deleted comes back, on both sides. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { console, drydock, LiveContainer, Running, until, Workspace } from '../support/live.ts';

const ROOT = '/var/azureml-app';

interface Action {
  readonly id: string;
  readonly path: string;
  readonly side: string;
  readonly kind: string;
  readonly size: number;
  readonly kept: boolean;
}

const lines = <T>(stdout: string): T[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

test('an overwritten and a deleted file, the undo of an undo, and a folder that went with its file', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const once = async (...flags: string[]) => {
    const argv = ['sync', container.name, '--dir', app, '--once', '--json', ...flags];
    const { exitCode, stderr } = await drydock(argv, workspace);
    expect(exitCode, stderr).toBe(0);
  };
  const undo = (...ids: string[]) => drydock(['undo', ...ids, '--dir', app, '--json'], workspace);
  const actions = async () => lines<Action>((await undo()).stdout);
  const inside = (path: string) => container.exec('cat', `${ROOT}/${path}`);
  mkdirSync(join(app, 'deep/er'), { recursive: true });
  writeFileSync(join(app, 'deep/er/words.txt'), 'kept\n');
  await once('--prefer', 'host');
  expect(await actions()).toEqual([]);

  // Edited in the container: the host's version was overwritten. Deleted on the host: the container's went.
  const original = readFileSync(join(app, 'score.py'), 'utf8');
  await execa('docker', ['exec', container.id, 'sh', '-c', `echo '# worse' > ${ROOT}/score.py`]);
  rmSync(join(app, 'deep'), { recursive: true });
  await once();
  expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe('# worse\n');
  const [first, second] = (await actions()).sort((a, b) => (a.path < b.path ? -1 : 1));
  expect(first).toMatchObject({ path: 'deep/er/words.txt', side: 'container', kind: 'deleted', size: 5, kept: true });
  expect(second).toMatchObject({
    path: 'score.py',
    side: 'host',
    kind: 'overwritten',
    size: original.length,
    kept: true,
  });

  const done = await undo(first?.id ?? '', second?.id ?? '');
  expect(lines(done.stdout)).toEqual([
    { id: first?.id, path: 'deep/er/words.txt', result: 'restored' },
    { id: second?.id, path: 'score.py', result: 'restored' },
  ]);
  expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe(original);
  await once();
  expect(await inside('score.py')).toBe(original.trimEnd());
  expect(await inside('deep/er/words.txt')).toBe('kept');
  expect(lines((await undo(second?.id ?? '')).stdout)).toMatchObject([{ result: 'already' }]);

  // What the undo replaced is an action in its turn.
  const worse = (await actions()).find(({ path, size }) => path === 'score.py' && size === '# worse\n'.length);
  expect(lines((await undo(worse?.id ?? '')).stdout)).toMatchObject([{ result: 'restored' }]);
  expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe('# worse\n');
});

test('what a user can do wrong', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app, dir } = workspace;
  const never = await drydock(['undo', '--dir', dir], workspace);
  expect(never).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('never synchronised') as string });
  await using sync = new Running(['sync', container.name, '--dir', app, '--json'], workspace);
  await sync.event('ready', ({ event }) => event === 'ready');
  writeFileSync(join(app, 'train.py'), 'other\n');
  await sync.event('the edit', ({ event, path }) => event === 'synced' && path === 'train.py');
  await sync.event('quiet', ({ event }) => event === 'idle');

  // A console has the folder: it is asked.
  const edited = () => readFileSync(join(app, 'train.py'), 'utf8');
  const [action] = lines<Action>((await drydock(['undo', '--dir', app, '--json'], workspace)).stdout);
  expect(action).toMatchObject({ path: 'train.py', side: 'container' });
  const asked = await drydock(['undo', action?.id ?? '', '--dir', app, '--json'], workspace);
  expect(lines(asked.stdout), asked.stderr).toEqual([{ id: action?.id, path: 'train.py', result: 'restored' }]);
  expect(edited()).not.toBe('other\n');
  await until('it travelled', async () => (await container.exec('cat', `${ROOT}/train.py`)) === edited().trimEnd());
  const refused = await drydock(['undo', '0000beef', '--dir', app], workspace);
  expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no action 0000beef') as string });
  sync.kill('SIGTERM');
  expect(await sync.exited).toBe(0);

  const unknown = await drydock(['undo', '0000beef', '--dir', app], workspace);
  expect(unknown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no action 0000beef') as string });
  rmSync(join(app, 'train.py'));
  mkdirSync(join(app, 'train.py'));
  const inTheWay = await drydock(['undo', action?.id ?? '', '--dir', app], workspace);
  expect(inTheWay).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('it is a folder') as string });
  expect(existsSync(join(app, 'train.py'))).toBe(true);
});

test('in the console: the list, and what is chosen comes back on both sides', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  await using terminal = console(['attach', container.name, '--dir', app], workspace, { columns: 80, rows: 24 });
  await terminal.waitFor('0 conflicts'); // both sides were compared
  terminal.type('u');
  await terminal.waitFor('Sync has overwritten and deleted nothing.');
  terminal.type('\x1b');
  await terminal.waitFor('1 Files');
  const original = readFileSync(join(app, 'score.py'), 'utf8');
  for (const word of ['first', 'second']) {
    writeFileSync(join(app, 'train.py'), `# ${word}\n`);
    await until('it is there', async () => (await container.exec('cat', `${ROOT}/train.py`)) === `# ${word}`);
  }
  writeFileSync(join(app, 'score.py'), `${original}# changed\n`);
  await terminal.waitFor('✓ reloaded');
  terminal.type('u');
  await terminal.until((screen) => (screen.match(/overwritten in the container/g) ?? []).length === 3, 'three actions');
  expect(terminal.screen()).toMatch(/▸ \d\d:\d\d:\d\d {2}score\.py/); // newest first
  terminal.type('j\r');
  await terminal.waitFor('✓ train.py is back as it was');
  expect(readFileSync(join(app, 'train.py'), 'utf8')).toBe('# first\n');
  await until('it travelled', async () => (await container.exec('cat', `${ROOT}/train.py`)) === '# first');
  terminal.type('q');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
});
