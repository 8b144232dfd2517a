/** The first attach where nobody names a folder: which one is taken, and that none is taken which nothing proves. */
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { APP } from '../kills/pair.ts';
import { derivedImage } from '../support/derived-image.ts';
import { engine } from '../support/engine.ts';
import { console, drydock, LiveContainer, SAMPLE, until, Workspace, type JsonEvent } from '../support/live.ts';

const SLEEP = ['sleep', 'infinity'];
const start = (...args: string[]) => LiveContainer.start('plain-user', { cold: true, args, command: SLEEP });

/** `drydock sync --once` where the user stands in `cwd`. */
async function once(workspace: Workspace, container: LiveContainer, cwd: string, ...flags: string[]) {
  const env = { ...workspace.env, INIT_CWD: cwd };
  const ended = await drydock(['sync', container.name, '--once', '--json', ...flags], { dir: workspace.dir, env });
  const events = ended.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JsonEvent);
  return { ...ended, ready: events.find(({ event }) => event === 'ready') };
}

const names = (folder: string) => readdirSync(folder, { recursive: true }).sort();

describe('without a terminal', () => {
  test('the folder below the current one whose entry script is the service’s', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    const { exitCode, ready } = await once(workspace, container, workspace.dir);
    expect(ready).toMatchObject({ dir: workspace.app, root: APP });
    expect(exitCode).toBe(0);
    // npm says where the user was; without it that is the working folder.
    const { INIT_CWD: _, ...env } = { ...process.env, ...workspace.env };
    const argv = [resolve('dist/drydock.js'), 'sync', container.name, '--once', '--json'];
    const { stdout } = await execa(process.execPath, argv, { cwd: workspace.app, env, extendEnv: false });
    expect(stdout).toContain(`"dir":"${workspace.app}"`);
  });

  test('the one with the image’s entry script, where the container’s was edited', async () => {
    using workspace = new Workspace();
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user', { lines: [`LABEL drydock.test.own=${process.pid}`] });
    const { tag } = image;
    await using container = await LiveContainer.start('plain-user', { image: tag, cold: true, command: SLEEP });
    await container.exec('sh', '-c', `echo '# from inside' >>${APP}/score.py`);
    const refused = await once(workspace, container, workspace.dir);
    expect(refused.exitCode).toBe(4);
    expect(refused.stdout).toContain('--prefer');
    const { exitCode, ready } = await once(workspace, container, workspace.dir, '--prefer', 'container');
    expect(ready).toMatchObject({ dir: workspace.app });
    expect(exitCode).toBe(0);
    // The image's was read through a container, which is gone.
    const { stdout: left } = await execa('docker', ['ps', '-aq', '--no-trunc', '--filter', `ancestor=${tag}`]);
    expect(left).toBe(container.id);
  });

  test('the source of the app folder’s bind mount, wherever the user stands', async () => {
    using workspace = new Workspace();
    await using container = await start('-v', `${workspace.app}:${APP}`);
    const { exitCode, ready } = await once(workspace, container, '/');
    expect(ready).toMatchObject({ dir: workspace.app, root: APP });
    expect(exitCode).toBe(0);
  });

  test('none: nothing is touched, and the flag is named', async () => {
    using workspace = new Workspace();
    await using container = await start();
    const empty = join(workspace.dir, 'empty');
    mkdirSync(empty);
    const { exitCode, stderr } = await once(workspace, container, empty);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`No folder at or under ${empty} holds score.py as ${container.name} has it.`);
    expect(stderr).toContain('--dir FOLDER');
    expect(names(empty)).toEqual([]);
  });

  test('several: all are named, and none is taken', async () => {
    using workspace = new Workspace();
    await using container = await start();
    const copy = join(workspace.dir, 'copy');
    cpSync(SAMPLE, copy, { recursive: true });
    appendFileSync(join(copy, 'train.py'), '# newer\n');
    const { exitCode, stderr } = await once(workspace, container, workspace.dir, '--prefer', 'host');
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`${workspace.app}, ${copy}`);
    expect(stderr).toContain(`--dir ${workspace.app}`);
    expect(await container.exec('cat', `${APP}/train.py`)).not.toContain('newer');
  });

  test('a home folder is not taken, though its entry script is the container’s', async () => {
    using workspace = new Workspace();
    await using container = await start();
    const home = { ...workspace.env, HOME: workspace.app, INIT_CWD: workspace.app };
    const as = { dir: workspace.dir, env: home };
    await container.exec('touch', `${APP}/from-inside`);
    const unnamed = await drydock(['sync', container.name, '--once'], as);
    expect(unnamed.exitCode).toBe(2);
    expect(unnamed.stderr).toContain(`--dir ${workspace.app}`);
    // Named, it is compared; and empty it does not take everything by itself.
    const empty = join(workspace.dir, 'home');
    mkdirSync(empty);
    const bare = { dir: workspace.dir, env: { ...home, HOME: empty } };
    const named = await drydock(['sync', container.name, '--once', '--dir', empty], bare);
    expect(named.exitCode).toBe(4);
    expect(named.stdout).toMatch(/home folder/);
    expect(named.stdout).toContain('--prefer container');
    expect(names(empty)).toEqual([]);
    const word = await drydock(['sync', container.name, '--once', '--dir', empty, '--prefer', 'container'], bare);
    expect(word.exitCode).toBe(0);
    expect(existsSync(join(empty, 'score.py'))).toBe(true);
  });
});

describe('in the console', () => {
  const size = { columns: 140, rows: 30 };

  test('of several folders the one that is chosen; none, and nothing travels', async () => {
    using workspace = new Workspace();
    await using container = await start();
    const copy = join(workspace.dir, 'copy');
    cpSync(SAMPLE, copy, { recursive: true });
    {
      await using terminal = console(['attach', container.name, '--no-reload'], workspace, size);
      await terminal.waitFor(/Several folders under/);
      terminal.type('n');
      await terminal.waitGone(/Several folders under/);
      await container.exec('touch', `${APP}/from-inside`);
      terminal.type('q');
      expect((await terminal.exited).exitCode).toBe(0);
    }
    expect([workspace.app, copy].filter((dir) => existsSync(join(dir, 'from-inside')))).toEqual([]);
    await container.exec('rm', `${APP}/from-inside`);
    await using terminal = console(['attach', container.name, '--no-reload'], workspace, size);
    await terminal.waitFor(/Several folders under/);
    terminal.type('2');
    await terminal.waitFor(/7 files/);
    await container.exec('touch', `${APP}/from-inside`);
    await until('it arrives in the chosen one', () => existsSync(join(copy, 'from-inside')));
    expect(existsSync(join(workspace.app, 'from-inside'))).toBe(false);
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  });

  test('where none proves itself the current one is offered, and takes everything when it is empty', async () => {
    using workspace = new Workspace();
    await using container = await start();
    const empty = join(workspace.dir, 'empty');
    mkdirSync(empty);
    const there = { dir: empty, env: { ...workspace.env, INIT_CWD: empty } };
    await using terminal = console(['attach', container.name, '--no-reload'], there, size);
    await terminal.waitFor(/No folder at or under .*empty/);
    terminal.type('d');
    await until('it is filled', () => existsSync(join(empty, 'score.py')));
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  });
});
