/** What goes wrong: each has a message with the mend and its exit code, leaves nothing behind, and loses no edit. */
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { busyboxImage } from '../support/busybox.ts';
import { engine } from '../support/engine.ts';
import { console, drydock, LiveContainer, Running, score, until, Workspace } from '../support/live.ts';

const inContainer = (container: LiveContainer, path: string) =>
  container.exec('cat', `/var/azureml-app/${path}`).catch(() => null);

describe('what is not there', () => {
  test('no engine', async () => {
    using workspace = new Workspace();
    const { exitCode, stderr } = await execa(process.execPath, ['dist/drydock.js', 'probe', 'x'], {
      env: { ...workspace.env, DOCKER_HOST: `unix://${workspace.dir}/nothing.sock` },
      reject: false,
    });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/nothing\.sock/);
  });

  test('no such container: near names are offered', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('bare', { cold: true });
    const { exitCode, stderr } = await drydock(['reload', `${container.name}x`], workspace);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(container.name);
  });

  test('a stopped container', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('bare', { cold: true });
    await execa('docker', ['stop', '-t', '1', container.name]);
    const { exitCode, stderr } = await drydock(['reload', container.name], workspace);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`docker start ${container.name}`);
  });

  test('a container that ends before all is compared: sync --once does not wait for another', async () => {
    using workspace = new Workspace();
    const { app } = workspace;
    await using container = await LiveContainer.start('plain-user', { cold: true, command: ['sleep', 'infinity'] });
    await container.exec('mkdir', '/tmp/app');
    // Its last file is under way when the container ends.
    writeFileSync(join(app, 'zz.bin'), '');
    truncateSync(join(app, 'zz.bin'), 2 ** 30);
    const argv = ['sync', container.name, '--dir', app, '--root', '/tmp/app', '--once', '--json'];
    await using once = new Running(argv, workspace);
    await once.event('the first files', ({ event, path }) => event === 'synced' && path === 'score.py');
    await execa('docker', ['kill', container.name]);
    expect(await once.exited).toBe(3);
    expect(once.events.map(({ event }) => event)).not.toContain('ready');
    expect(once.events.at(-1)).toMatchObject({ event: 'waiting', reason: expect.any(String) as string });
  });

  test('a folder that does not exist', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    const { exitCode, stderr } = await drydock(
      ['sync', container.name, '--dir', join(workspace.dir, 'typo'), '--once'],
      workspace,
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain('typo');
  });

  test('a folder that may not be written: said, and not taken for done', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    await container.exec('sh', '-c', 'echo "# from inside" >> /var/azureml-app/score.py');
    await execa('mount', ['--bind', workspace.app, workspace.app]);
    try {
      await execa('mount', ['-o', 'remount,bind,ro', workspace.app]);
      const { exitCode, stdout, stderr } = await drydock(
        ['sync', container.name, '--dir', workspace.app, '--prefer', 'container', '--once'],
        workspace,
      );
      expect(stdout + stderr).toContain(`${workspace.app} is read-only on this machine`);
      expect(exitCode).toBe(4);
      expect(await inContainer(container, 'score.py')).toContain('# from inside');
    } finally {
      await execa('umount', [workspace.app]);
    }
  });

  test('no scoring service: reload says so', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('bare', { cold: true });
    const { exitCode, stdout } = await drydock(['reload', container.name, '--json'], workspace);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
  });

  test('an image without glibc and without Python', async () => {
    using workspace = new Workspace();
    await using real = await engine();
    const image = await busyboxImage(real.images);
    await using container = await LiveContainer.start('bare', { image, cold: true });
    const { exitCode, stderr } = await drydock(['reload', container.name], workspace);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('glibc');
  });

  test('an app folder that is not there: sync halts and touches nothing', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('bare', { cold: true });
    const { exitCode, stdout } = await drydock(
      ['sync', container.name, '--dir', workspace.app, '--root', '/nowhere', '--once', '--json'],
      workspace,
    );
    expect(exitCode).toBe(4);
    expect(stdout).toContain('missing');
    expect(existsSync(join(workspace.app, 'score.py'))).toBe(true);
  });

  test('a verb or a flag that does not exist', async () => {
    using workspace = new Workspace();
    expect((await drydock(['sync', '--nonsense'], workspace)).exitCode).toBe(2);
  });

  test('a console without a terminal', async () => {
    using workspace = new Workspace();
    const { exitCode, stderr } = await drydock(['attach', 'x'], workspace);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('drydock sync');
  });
});

describe('folders that differ at first', () => {
  test('without a word nothing is touched and the flags are named; with it that side wins', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    const file = join(workspace.app, 'score.py');
    const hosts = `${readFileSync(file, 'utf8')}\n# the host's\n`;
    writeFileSync(file, hosts);
    const before = await inContainer(container, 'score.py');
    const refused = await drydock(['sync', container.name, '--dir', workspace.app, '--once', '--json'], workspace);
    expect(refused.exitCode).toBe(4);
    expect(refused.stdout).toContain('--prefer');
    expect(await inContainer(container, 'score.py')).toBe(before);
    expect(readFileSync(file, 'utf8')).toBe(hosts);
    const taken = await drydock(
      ['sync', container.name, '--dir', workspace.app, '--once', '--prefer', 'host'],
      workspace,
    );
    expect(taken.exitCode).toBe(0);
    expect(`${await inContainer(container, 'score.py')}\n`).toBe(hosts);
  });

  test('--union keeps both: the host keeps the path, exit 5', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    const file = join(workspace.app, 'score.py');
    const theirs = await inContainer(container, 'score.py');
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n# the host's\n`);
    const { exitCode } = await drydock(
      ['sync', container.name, '--dir', workspace.app, '--once', '--union'],
      workspace,
    );
    expect(exitCode).toBe(5);
    const copy = (await container.exec('ls', '/var/azureml-app'))
      .split('\n')
      .find((name) => name.startsWith('score.conflict-container-'));
    expect(copy).toBeDefined();
    expect(readFileSync(join(workspace.app, copy ?? ''), 'utf8').trimEnd()).toBe(theirs?.trimEnd());
  });

  test('an empty folder takes everything without a question', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    const empty = join(workspace.dir, 'empty');
    mkdirSync(empty);
    const { exitCode } = await drydock(['sync', container.name, '--dir', empty, '--once'], workspace);
    expect(exitCode).toBe(0);
    expect(existsSync(join(empty, 'score.py'))).toBe(true);
    expect(existsSync(join(empty, 'helpers', 'clean.py'))).toBe(true);
    expect(existsSync(join(empty, 'azureml-models'))).toBe(false);
  });
});

describe('while attached', () => {
  test('the console is killed with SIGKILL and started again: no edit is lost, in either direction', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    {
      await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
      await sync.event('ready', ({ event }) => event === 'ready');
      writeFileSync(join(workspace.app, 'host.txt'), 'first');
      await until('it arrived', async () => (await inContainer(container, 'host.txt')) === 'first');
      sync.kill('SIGKILL');
    }
    writeFileSync(join(workspace.app, 'host.txt'), 'while away');
    await container.exec('sh', '-c', 'printf theirs > /var/azureml-app/container.txt');
    await using again = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
    await again.event('ready', ({ event }) => event === 'ready');
    expect(await inContainer(container, 'host.txt')).toBe('while away');
    expect(readFileSync(join(workspace.app, 'container.txt'), 'utf8')).toBe('theirs');
  });

  test('the agent is killed: the session goes on with a new one', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
    await sync.event('ready', ({ event }) => event === 'ready');
    await container.killInside('agent.cjs serve');
    await sync.event('waiting', ({ event }) => event === 'waiting');
    writeFileSync(join(workspace.app, 'after.txt'), 'after');
    await until('the edit arrives', async () => (await inContainer(container, 'after.txt')) === 'after');
  });

  test('the console survives a paused and a removed container, and quits sanely', async () => {
    using workspace = new Workspace();
    await using container = await LiveContainer.start('plain-user');
    await using terminal = console(['attach', container.name, '--dir', workspace.app], workspace);
    await terminal.waitFor('healthy');
    await execa('docker', ['pause', container.name]);
    await terminal.waitFor('paused');
    await execa('docker', ['unpause', container.name]);
    await terminal.waitFor('healthy');
    await execa('docker', ['rm', '-f', container.name]);
    await terminal.waitFor(/waiting|gone|removed|No container/i);
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
    expect(terminal.alternate).toBe(false);
  });
});

test('code that ends the service does not end the container while attached', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user');
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
  await sync.event('ready', ({ event }) => event === 'ready');
  await container.killInside('azmlinfsrv');
  const reloaded = await drydock(['reload', container.name], workspace);
  expect(reloaded.exitCode, reloaded.stdout + reloaded.stderr).toBe(0);
  await until('the service answers again', async () => (await score(await container.scoreUrl())).status === 200);
});
