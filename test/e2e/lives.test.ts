/** What befalls a container, its engine, its disks and the host's folder while both sides are edited: nothing is lost. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { findAddress } from '../../console/place/docker/address.ts';
import { APP, Pair } from '../kills/pair.ts';
import { derivedImage } from '../support/derived-image.ts';
import { doorTo } from '../support/door.ts';
import { engine } from '../support/engine.ts';
import { OWNER_ARGS } from '../support/leftovers.ts';
import { console, drydock, LiveContainer, SAMPLE, until, Workspace } from '../support/live.ts';

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
