/** Where sync halts it says how to go on, and that way is there: a key in the console, a flag of the verb. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { console, drydock, LiveContainer, until, Workspace } from '../support/live.ts';

const APP = '/var/azureml-app';
const SETTLED = /files · \d+ out/;
/** However it is wrapped. */
const text = (words: string) => new RegExp(words.replaceAll(' ', '\\s+'));
const idle = (args: readonly string[] = []) =>
  LiveContainer.start('plain-user', { args, cold: true, command: ['sleep', 'infinity'] });
const screen = (container: LiveContainer, workspace: Workspace) =>
  console(['attach', container.name, '--dir', workspace.app, '--no-reload'], workspace, { columns: 100, rows: 30 });
const inside = (container: LiveContainer, path: string) =>
  container.exec('test', '-e', `${APP}/${path}`).then(
    () => true,
    () => false,
  );

test('the keys at a brake: the files come back, or go on the other side as well', async () => {
  using workspace = new Workspace();
  await using container = await idle();
  const folder = join(workspace.app, 'many');
  mkdirSync(folder);
  for (let n = 0; n < 100; n++) writeFileSync(join(folder, `${n}.txt`), `${n}`);
  await using terminal = screen(container, workspace);
  await terminal.waitFor('Your choice');
  terminal.type('u');
  await until('all is there', () => inside(container, 'many/99.txt'));
  await terminal.waitFor(SETTLED);

  rmSync(folder, { recursive: true });
  await terminal.waitFor(text('files, more than half, were deleted in the folder on this machine'));
  await terminal.waitFor(text('Put the files back, or answer what to do'));
  await terminal.waitFor(text('bring the files back from the other side'));
  expect(await inside(container, 'many/99.txt')).toBe(true);
  terminal.type('b');
  await until('they are back', () => existsSync(folder) && readdirSync(folder).length === 100);
  await terminal.waitFor(SETTLED);

  rmSync(folder, { recursive: true });
  await terminal.waitFor('this is meant: go on');
  terminal.type('g');
  await until('they are gone', async () => !(await inside(container, 'many')));
  await terminal.waitFor(SETTLED);
  writeFileSync(join(workspace.app, 'after.txt'), 'after');
  await until('it goes on', () => inside(container, 'after.txt'));
  terminal.type('q');
  expect((await terminal.exited).exitCode).toBe(0);
});

test('the flags that `drydock sync` names', async () => {
  using workspace = new Workspace();
  await using container = await idle();
  const { app } = workspace;
  const sync = (...flags: string[]) =>
    drydock(['sync', container.name, '--dir', app, '--no-reload', '--once', ...flags], workspace);
  const empty = () => {
    for (const name of readdirSync(app)) rmSync(join(app, name), { recursive: true });
  };
  expect((await sync()).exitCode).toBe(0);
  const all = readdirSync(app).sort();
  empty();
  const halted = await sync();
  expect(halted.exitCode).toBe(4);
  expect(halted.stdout).toMatch(/start again; with --restore .* with --go-on emptied/);
  expect((await sync('--go-on', 'mount,mass-delete')).exitCode).toBe(4);
  expect((await sync('--go-on', 'everything')).exitCode).toBe(2);
  expect(await inside(container, 'score.py')).toBe(true);
  expect((await sync('--restore')).exitCode).toBe(0);
  expect(readdirSync(app).sort()).toEqual(all);
  empty();
  expect((await sync('--go-on', 'emptied')).exitCode).toBe(0);
  expect(await inside(container, 'score.py')).toBe(false);
  expect((await sync()).exitCode).toBe(0);
});

describe('a folder that cannot be reached for a while: the console says so, and goes on by itself', () => {
  const goesOn = async (container: LiveContainer, { app }: Workspace) => {
    writeFileSync(join(app, 'after.txt'), 'after');
    await until('the host’s edit arrives', () => inside(container, 'after.txt'));
    await container.exec('sh', '-c', `echo theirs >${APP}/theirs.txt`);
    await until('the container’s edit arrives', () => existsSync(join(app, 'theirs.txt')));
  };

  test('it may not be read', async () => {
    using workspace = new Workspace();
    // Without capabilities the agent runs as the container's user.
    await using container = await idle(['--cap-drop', 'ALL']);
    const all = readdirSync(workspace.app).sort();
    await using terminal = screen(container, workspace);
    await terminal.waitFor(SETTLED);
    await container.exec('chmod', '000', APP);
    await terminal.waitFor(text('app folder is missing, may not be read'));
    await terminal.waitFor(text('sync goes on by itself'));
    expect(readdirSync(workspace.app).sort()).toEqual(all);
    await container.exec('chmod', '755', APP);
    await goesOn(container, workspace);
  });

  test('it could not be read when it was attached', async () => {
    using workspace = new Workspace();
    await using container = await idle(['--cap-drop', 'ALL']);
    await container.exec('chmod', '000', APP);
    await using terminal = screen(container, workspace);
    await terminal.waitFor(text('app folder is missing, may not be read'));
    await container.exec('chmod', '755', APP);
    await terminal.waitFor(SETTLED);
    await goesOn(container, workspace);
  });

  test('another disk comes over it, and goes', async () => {
    using workspace = new Workspace();
    await using container = await idle();
    await using terminal = screen(container, workspace);
    await terminal.waitFor(SETTLED);
    await execa('mount', ['-t', 'tmpfs', 'tmpfs', workspace.app]);
    try {
      await terminal.waitFor(text('is on another mount than before'));
    } finally {
      await execa('umount', ['-l', workspace.app]);
    }
    await goesOn(container, workspace);
  });

  test('its own disk goes, and comes back', async () => {
    using workspace = new Workspace();
    await using container = await idle();
    const { app, dir } = workspace;
    const [disk, other] = [join(dir, 'disk'), join(dir, 'other')];
    renameSync(app, disk);
    for (const folder of [app, other]) mkdirSync(folder);
    const mount = () => execa('mount', ['--bind', disk, app]);
    await mount();
    try {
      await using terminal = screen(container, workspace);
      await terminal.waitFor(SETTLED);
      await execa('umount', ['-l', app]);
      // It takes the number that became free.
      await execa('mount', ['--bind', disk, other]);
      await terminal.waitFor(text('is on another mount than before'));
      expect(await inside(container, 'score.py')).toBe(true);
      await mount();
      await goesOn(container, workspace);
    } finally {
      for (const at of [other, app]) await execa('umount', ['-l', at], { reject: false });
    }
  });
});
