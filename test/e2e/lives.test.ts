/** What befalls a container, its engine, its disks and the host's folder while both sides are edited: nothing is lost. */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { findAddress } from '../../console/place/docker/address.ts';
import { APP, Pair } from '../kills/pair.ts';
import { derivedImage } from '../support/derived-image.ts';
import { doorTo } from '../support/door.ts';
import { engine } from '../support/engine.ts';
import { scoringImage } from '../support/images.ts';
import { OWNER_ARGS } from '../support/leftovers.ts';
import { console, drydock, LiveContainer, Running, SAMPLE, until, Workspace } from '../support/live.ts';

const docker = (...argv: string[]) => execa('docker', argv);
const yes = () => true;
const no = () => false;
const enginePath = async () => (await findAddress(undefined, process.env)).options.socketPath ?? '';

interface Action {
  readonly id: string;
  readonly path: string;
  readonly side: string;
  readonly kind: string;
  readonly size: number;
}

async function undo({ workspace }: Pair, ...ids: string[]): Promise<Action[]> {
  const { stdout } = await drydock(['undo', ...ids, '--dir', workspace.app, '--json'], workspace);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Action);
}

describe('in the middle of a burst on both sides', () => {
  test('the container is paused', async () => {
    await using pair = await Pair.start();
    pair.users.start();
    await pair.travelled(10);
    // An engine gives up where processes start all the time, and is asked again.
    await until('it is paused', () => execa('docker', ['pause', pair.container.name]).then(yes, no));
    const hint = `docker unpause ${pair.container.name}`;
    await pair.heard((told) => told.event === 'waiting' && String(told['hint']).includes(hint));
    await pair.users.save('host', 'while-paused');
    await docker('unpause', pair.container.name);
    await pair.travelled(5);
    await pair.settled();
    await pair.quit();
  });

  test.each([
    ['restarted', [['restart', '-t', '0']]],
    ['killed and started', [['kill'], ['start']]],
  ])('the container is %s', async (_, verbs) => {
    await using pair = await Pair.start();
    pair.users.start();
    await pair.travelled(10);
    for (const [verb = '', ...flags] of verbs) await docker(verb, ...flags, pair.container.name);
    await pair.users.rest();
    pair.renewHand();
    pair.users.start();
    await pair.travelled(5);
    await pair.settled();
    await pair.quit();
  });

  test('the engine goes away and comes back', async () => {
    await using door = await doorTo(await enginePath());
    await door.open();
    await using pair = await Pair.start({ env: { DOCKER_HOST: `unix://${door.path}` } });
    pair.users.start();
    await pair.travelled(10);
    await door.shut();
    await pair.heard(({ event }) => event === 'waiting');
    await pair.users.save('host', 'meanwhile-on-host');
    await pair.users.save('container', 'meanwhile-in-container');
    await door.open();
    await pair.travelled(5);
    await pair.settled();
    await pair.quit();
  });
});

describe('the container is made anew', () => {
  test('from its image with an older folder: what is newer on the host wins, and the image’s version comes back by undo', async () => {
    await using pair = await Pair.start();
    const { users, workspace } = pair;
    const image = readFileSync(join(SAMPLE, 'score.py'), 'utf8');
    await users.save('host', 'score.py', 3);
    await users.save('container', 'helpers/theirs.py');
    await users.remove('host', 'train.py');
    await pair.settled();
    await docker('rm', '-f', pair.container.name);
    await pair.heard(({ event }) => event === 'waiting');
    await users.save('host', 'requirements.txt');
    await users.save('host', 'added/while/away.txt');
    await pair.newContainer();
    // Nobody edits in it before it was seen.
    await pair.travelled(1);
    pair.renewHand();
    await pair.settled();
    const { found } = await users.look('container');
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining(['score.py', 'helpers/theirs.py', 'requirements.txt', 'added/while/away.txt']),
    );
    expect(found).not.toHaveProperty('train.py');
    expect(Object.keys(found).filter((path) => path.includes('.conflict-'))).toEqual([]);
    await pair.quit();
    const theirs = (await undo(pair)).find(({ path, size }) => path === 'score.py' && size === image.length);
    expect(theirs).toMatchObject({ side: 'container', kind: 'overwritten' });
    await undo(pair, theirs?.id ?? '');
    expect(readFileSync(join(workspace.app, 'score.py'), 'utf8')).toBe(image);
  });

  test('from an image that Drydock committed: its history goes on, and what was edited since arrives or conflicts', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using real = await engine();
    await using image = await derivedImage(real, 'plain-user');
    const { name } = await LiveContainer.start('plain-user', { image: image.tag });
    const tag = image.next;
    try {
      await using terminal = console(['attach', name, '--dir', app], workspace, { columns: 100, rows: 30 });
      await terminal.waitFor('healthy');
      await terminal.waitFor(/Edit .*score\.py/);
      writeFileSync(join(app, 'both.txt'), 'committed');
      writeFileSync(join(app, 'gone.txt'), 'committed');
      const inside = (path: string) => docker('exec', name, 'cat', `${APP}/${path}`).then(({ stdout }) => stdout);
      await until('it arrived', () => inside('gone.txt').then((text) => text === 'committed', no));
      terminal.type('c');
      await terminal.waitFor(tag);
      terminal.type('\r');
      await until(`${tag} exists`, () => docker('image', 'inspect', tag).then(yes, no));
      await terminal.waitFor(/✓|committed/);
      terminal.type('\x1b');
      await terminal.waitFor('healthy');
      await docker('exec', name, 'sh', '-c', `echo theirs >${APP}/theirs.txt`);
      await until('it arrived', () => readdirSync(app).includes('theirs.txt'));
      terminal.type('q');
      expect((await terminal.exited).exitCode).toBe(0);

      // Swapped, with edits on both sides since.
      await docker('rm', '-f', name);
      writeFileSync(join(app, 'both.txt'), 'host’s');
      writeFileSync(join(app, 'hosts.txt'), 'new');
      rmSync(join(app, 'gone.txt'));
      writeFileSync(join(workspace.dir, 'edit'), 'container’s');
      await docker('create', '--name', name, ...OWNER_ARGS, tag);
      await docker('cp', '-q', join(workspace.dir, 'edit'), `${name}:${APP}/both.txt`);
      await docker('start', name);
      const { exitCode, stdout } = await drydock(['sync', name, '--dir', app, '--once', '--json'], workspace);
      expect(exitCode, stdout).toBe(5);
      expect(stdout).not.toContain('"halted"');
      const copy = readdirSync(app).find((path) => path.startsWith('both.conflict-container-')) ?? '';
      expect(readFileSync(join(app, copy), 'utf8')).toBe('container’s');
      expect(await Promise.all(['both.txt', copy, 'hosts.txt', 'theirs.txt'].map(inside))).toEqual([
        'host’s',
        'container’s',
        'new',
        'theirs',
      ]);
      await expect(inside('gone.txt')).rejects.toThrow();
    } finally {
      await docker('rm', '-f', name);
      await docker('rmi', '-f', tag);
    }
  });
});

/** No service runs in it: what is tried here is sync. */
const IDLE = { cold: true, command: ['sleep', 'infinity'] };
const syncing = ({ name }: LiveContainer, workspace: Workspace, ...flags: string[]) =>
  new Running(['sync', name, '--dir', workspace.app, '--no-reload', '--json', ...flags], workspace);
const inside =
  ({ name }: LiveContainer) =>
  (path: string) =>
    docker('exec', name, 'cat', `${APP}/${path}`).then(({ stdout }) => stdout);
const copyIn = (folder: string) =>
  readdirSync(folder).find((path) => path.startsWith('score.conflict-container-')) ?? '';

describe('the container is started again', () => {
  test('its layer lives on, and so does its history: what was deleted meanwhile goes', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', IDLE);
    await using sync = syncing(container, workspace);
    await sync.event('it is ready', ({ event }) => event === 'ready');
    await docker('stop', '-t', '0', container.name);
    await sync.event('it waits', ({ event }) => event === 'waiting');
    rmSync(join(app, 'train.py'));
    writeFileSync(join(app, 'score.py'), 'newer');
    await docker('start', container.name);
    const file = inside(container);
    await until('it arrives', () => file('score.py').then((text) => text === 'newer', no));
    await until('it is deleted', () => file('train.py').then(no, yes));
    expect(sync.events.filter(({ event }) => event === 'halted' || event === 'conflict')).toEqual([]);
  });

  test('its folder lies in memory and is filled at each start: what is newer on the host stays, and the older one beside it', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', {
      args: ['--tmpfs', `${APP}:uid=1000,mode=755`, '-v', `${SAMPLE}:/filled-from:ro`],
      cold: true,
      command: ['sh', '-c', `cp -r /filled-from/. ${APP} && exec sleep infinity`],
    });
    await using sync = syncing(container, workspace);
    await sync.event('it is ready', ({ event }) => event === 'ready');
    const file = inside(container);
    writeFileSync(join(app, 'score.py'), 'newer');
    writeFileSync(join(app, 'added.txt'), 'newer');
    await until('they arrive', () => file('added.txt').then(yes, no));
    await until('they arrive', () => file('score.py').then((text) => text === 'newer', no));
    await docker('restart', '-t', '0', container.name);
    await sync.event('a conflict', ({ event, path }) => event === 'conflict' && path === 'score.py');
    await until('it is there again', () => file('added.txt').then(yes, no));
    await until('it is there again', () => file('score.py').then((text) => text === 'newer', no));
    await until('both are kept here', () => copyIn(app) !== '');
    expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe('newer');
    const older = readFileSync(join(SAMPLE, 'score.py'), 'utf8');
    expect(readFileSync(join(app, copyIn(app)), 'utf8')).toBe(older);
    await until('both are kept there', () => file(copyIn(app)).then((text) => text === older.trimEnd(), no));
  });
});

describe('the container is made anew, and was edited before it was seen', () => {
  /** With an older folder, in which somebody has edited what the host has newer. */
  async function recreate({ name }: LiveContainer, { dir }: Workspace): Promise<void> {
    writeFileSync(join(dir, 'edit'), 'container’s');
    await docker('rm', '-f', name);
    await docker('create', '--name', name, ...OWNER_ARGS, await scoringImage('plain-user'), ...IDLE.command);
    await docker('cp', '-q', join(dir, 'edit'), `${name}:${APP}/score.py`);
    await docker('start', name);
  }

  test('without a terminal both versions are kept, and the host’s has the path', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', IDLE);
    await using sync = syncing(container, workspace);
    await sync.event('it is ready', ({ event }) => event === 'ready');
    const file = inside(container);
    writeFileSync(join(app, 'score.py'), 'newer');
    writeFileSync(join(app, 'added.txt'), 'newer');
    await until('they arrive', () => file('added.txt').then(yes, no));
    await until('they arrive', () => file('score.py').then((text) => text === 'newer', no));
    await recreate(container, workspace);
    await sync.event('a conflict', ({ event, path }) => event === 'conflict' && path === 'score.py');
    await until('it is there again', () => file('added.txt').then(yes, no));
    await until('the host’s has the path', () => file('score.py').then((text) => text === 'newer', no));
    await until('both are kept', () => copyIn(app) !== '');
    expect(readFileSync(join(app, copyIn(app)), 'utf8')).toBe('container’s');
    expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe('newer');
    expect(sync.events.filter(({ event }) => event === 'halted')).toEqual([]);
  });

  test('a console asks', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', IDLE);
    const argv = ['attach', container.name, '--dir', app, '--no-reload'];
    await using terminal = console(argv, workspace, { columns: 100, rows: 30 });
    const file = inside(container);
    await terminal.waitFor('0 out · 0 in');
    writeFileSync(join(app, 'score.py'), 'newer');
    await until('it arrives', () => file('score.py').then((text) => text === 'newer', no));
    await recreate(container, workspace);
    await terminal.waitFor('made anew');
    expect(readFileSync(join(app, 'score.py'), 'utf8')).toBe('newer');
    expect(await file('score.py')).toBe('container’s');
    terminal.type('h');
    await until('the answer counts', () => file('score.py').then((text) => text === 'newer', no));
    expect(copyIn(app)).toBe('');
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  });
});

describe('the container is made anew with other mounts, or the same', () => {
  const bound = (folder: string) => ['-v', `${folder}:${APP}`];
  const anew = async ({ name }: LiveContainer, args: string[] = []) => {
    await docker('rm', '-f', name);
    return LiveContainer.start('plain-user', { ...IDLE, name, args });
  };

  test('the same: its history goes on without a question, and what was deleted meanwhile goes', async () => {
    using workspace = new Workspace();
    const { app, dir } = workspace;
    const mounted = join(dir, 'mounted');
    cpSync(app, mounted, { recursive: true });
    await using container = await LiveContainer.start('plain-user', { ...IDLE, args: bound(mounted) });
    await using sync = syncing(container, workspace);
    await sync.event('it is ready', ({ event }) => event === 'ready');
    await docker('rm', '-f', container.name);
    await sync.event('it waits', ({ event }) => event === 'waiting');
    writeFileSync(join(app, 'score.py'), 'newer');
    rmSync(join(app, 'train.py'));
    writeFileSync(join(mounted, 'theirs.txt'), 'theirs');
    rmSync(join(mounted, 'requirements.txt'));
    await anew(container, bound(mounted));
    await until('all is equal', () => existsSync(join(app, 'theirs.txt')) && !existsSync(join(mounted, 'train.py')));
    await until('all is equal', () => !existsSync(join(app, 'requirements.txt')));
    await until('all is equal', () => readFileSync(join(mounted, 'score.py'), 'utf8') === 'newer');
    expect(sync.events.filter(({ event }) => event === 'halted' || event === 'conflict')).toEqual([]);
  });

  test('another folder: that is not the image’s, and both versions are kept', async () => {
    using workspace = new Workspace();
    const { app, dir } = workspace;
    const other = join(dir, 'other');
    cpSync(app, other, { recursive: true });
    writeFileSync(join(other, 'score.py'), 'other');
    await using container = await LiveContainer.start('plain-user', IDLE);
    await using sync = syncing(container, workspace);
    await sync.event('it is ready', ({ event }) => event === 'ready');
    await anew(container, bound(other));
    await sync.event('a conflict', ({ event, path }) => event === 'conflict' && path === 'score.py');
    await until('both are kept', () => copyIn(app) !== '' && copyIn(other) !== '');
    expect(readFileSync(join(app, copyIn(app)), 'utf8')).toBe('other');
  });

  test('the host’s folder is mounted no more: what is edited travels', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', { ...IDLE, args: bound(app) });
    await using sync = syncing(container, workspace, '--prefer', 'host');
    await sync.event('it is ready', ({ event }) => event === 'ready');
    const again = await anew(container);
    writeFileSync(join(app, 'score.py'), 'newer');
    await until('it arrives', () => inside(again)('score.py').then((text) => text === 'newer', no));
    await docker('exec', again.name, 'sh', '-c', `echo theirs >${APP}/theirs.txt`);
    await until('it arrives', () => existsSync(join(app, 'theirs.txt')));
  });

  test('the host’s folder is mounted now: there is nothing to copy', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', IDLE);
    const argv = ['attach', container.name, '--dir', app, '--no-reload'];
    await using terminal = console(argv, workspace, { columns: 100, rows: 30 });
    await terminal.waitFor('0 out · 0 in');
    await anew(container, bound(app));
    await terminal.waitFor('bind mount: nothing to copy');
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  });
});

describe('a disk is full, and has room again', () => {
  const isFull = ({ event, message }: { readonly event?: string; readonly message?: unknown }) =>
    event === 'problem' && /space/.test(String(message));

  test('in the container', async () => {
    await using pair = await Pair.start({ args: ['--tmpfs', `${APP}:size=4m,uid=1000,mode=755`] });
    const { users, container } = pair;
    // Ignored, so that it stays there.
    const fill = `mkdir -p ${APP}/.venv; cat /dev/zero >${APP}/.venv/fill 2>/dev/null; true`;
    await container.exec('sh', '-c', fill);
    await users.save('host', 'score.py', 20_000);
    await users.save('host', 'new.txt', 20_000);
    await pair.heard(isFull);
    await users.remove('container', 'train.py');
    await container.exec('rm', '-r', `${APP}/.venv`);
    await pair.settled();
    await pair.quit();
  });

  test('on this machine', async () => {
    await using pair = await Pair.start({ disk: '4m' });
    const { users, workspace } = pair;
    const ignored = join(workspace.app, '.venv');
    await execa('sh', ['-c', 'mkdir "$1"; cat /dev/zero >"$1/fill"', 'sh', ignored], { reject: false });
    await users.save('container', 'score.py', 20_000);
    await users.save('container', 'new.txt', 20_000);
    await pair.heard(isFull);
    await users.remove('host', 'train.py');
    rmSync(ignored, { recursive: true });
    await pair.settled();
    await pair.quit();
  });
});

describe('a folder is not what it was, and then it is again', () => {
  const halted = async ({ console }: Pair, reason: RegExp) => {
    expect(await console.exited).toBe(4);
    const told = console.events.find(({ event }) => event === 'halted');
    expect(told?.['reason']).toMatch(reason);
    expect(told?.['hint']).toMatch(/Put the files back|Bring the folder back|Mount it as it was/);
  };
  const everything = async ({ users }: Pair, side: 'host' | 'container') => (await users.look(side)).found;

  test.each([
    ['this machine’s is emptied', 'host', /the folder on this machine is empty now/i],
    ['the container’s is emptied', 'container', /the container’s app folder is empty now/i],
  ] as const)('%s', async (_, side, reason) => {
    await using pair = await Pair.start();
    const { container, workspace } = pair;
    const other = side === 'host' ? 'container' : 'host';
    await pair.settled();
    const before = await everything(pair, other);
    const [root, away] = side === 'host' ? [workspace.app, `${workspace.dir}/away`] : [APP, '/tmp/away'];
    const sh = (line: string) => (side === 'host' ? execa('sh', ['-c', line]) : container.exec('sh', '-c', line));
    // In one program: while a shell starts one a file, the first is deleted on the other side as anybody's would be.
    await sh(`mkdir ${away}; cd ${root}; mv $(ls | grep -v azureml-models) ${away}/`);
    await halted(pair, reason);
    expect(await everything(pair, other)).toEqual(before);

    // Started again it says so again; and goes on without a word when the files are back.
    pair.begin();
    await halted(pair, reason);
    await pair.users.save(other, 'score.py');
    await sh(`cp -a ${away}/. ${root}/`);
    pair.begin();
    await pair.settled();
    await pair.quit();
  });

  test('it is missing: a console waits for it, and goes on by itself', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user', { cold: true, command: ['sleep', 'infinity'] });
    const { app } = workspace;
    const argv = ['attach', container.name, '--dir', app, '--root', '/srv/later', '--no-reload'];
    await using terminal = console(argv, workspace, { columns: 100, rows: 30 });
    const inside = (path: string) => docker('exec', container.name, 'cat', `/srv/later/${path}`);
    // Nobody knew yet what can be done in it.
    await terminal.waitFor(/app folder is missing/);
    await docker('exec', '-u', '0', container.name, 'mkdir', '/srv/later');
    await until('it is filled', () => inside('score.py').then(yes, no));

    renameSync(app, `${app}-moved`);
    await terminal.waitFor(/folder on this machine is missing/);
    renameSync(`${app}-moved`, app);
    writeFileSync(join(app, 'after.txt'), 'after');
    await until('it arrives', () => inside('after.txt').then(yes, no));
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
  });

  test('another disk is mounted over it', async () => {
    await using pair = await Pair.start();
    const { users, workspace } = pair;
    await pair.settled();
    await pair.quit();
    const before = await everything(pair, 'container');
    await execa('mount', ['-t', 'tmpfs', 'tmpfs', workspace.app]);
    try {
      writeFileSync(join(workspace.app, 'other.txt'), 'of another disk');
      pair.begin();
      await halted(pair, /the folder on this machine is now a mount/i);
      expect(await everything(pair, 'container')).toEqual(before);
    } finally {
      await execa('umount', [workspace.app]);
    }
    await users.save('container', 'score.py');
    pair.begin();
    await pair.settled();
    await pair.quit();
  });

  test('a part of it may not be read: it is left alone, the rest goes on', async () => {
    // Without capabilities the agent runs as the container's user.
    await using pair = await Pair.start({ args: ['--cap-drop', 'ALL'] });
    const { users, container } = pair;
    await users.save('container', 'helpers/theirs.py');
    await pair.settled();
    await container.exec('chmod', '000', `${APP}/helpers`);
    await pair.heard(({ event, path }) => event === 'problem' && path === 'helpers');
    await users.save('host', 'helpers/clean.py');
    await users.save('host', 'score.py');
    await pair.heard(({ event, path }) => event === 'synced' && path === 'score.py');
    expect(await everything(pair, 'host')).toHaveProperty('helpers/theirs.py');
    await container.exec('chmod', '755', `${APP}/helpers`);
    await pair.settled();
    await pair.quit();
  });
});
