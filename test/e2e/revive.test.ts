/** `drydock revive`: a container that ended lives on as another one, with the cause told and the history kept. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { derivedImage } from '../support/derived-image.ts';
import { engine, type TestEngine } from '../support/engine.ts';
import { console, drydock, LiveContainer, Running, score, until, Workspace } from '../support/live.ts';

const BROKEN = readFileSync('examples/diabetes/score.py', 'utf8').replace(
  '    global model\n',
  "    raise ValueError('no model today')\n",
);

interface Told {
  readonly name: string;
  readonly scoreUrl: string;
}

/** What `revive` makes of a container, gone with it. */
function withRevived(container: LiveContainer): AsyncDisposable & { readonly name: string } {
  const name = `${container.name}-revived`;
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      await execa('docker', ['rm', '-f', '-v', name], { reject: false });
    },
  };
}

const inspect = async (name: string, format: string): Promise<unknown> =>
  JSON.parse((await execa('docker', ['inspect', '-f', `{{json ${format}}}`, name])).stdout) as unknown;

const broken = (real: TestEngine) => derivedImage(real, 'plain-user', { files: { 'score.py': BROKEN } });

test('a container whose init() raises: the cause of its end, and another that is as it was and lives', async () => {
  using workspace = new Workspace();
  await using real = await engine();
  await using image = await broken(real);
  const args = ['-t', '-e', 'MINE=yes', '-l', 'mine=1', '-l', 'azureml-local-endpoint=', '--memory', '2g'];
  await using container = await LiveContainer.start('plain-user', { image: image.tag, args, cold: true });
  await execa('docker', ['wait', container.name]);
  const log = await execa('docker', ['logs', container.name]);
  await using revived = withRevived(container);
  const { exitCode, stdout, stderr } = await drydock(['revive', container.name, '--json'], workspace);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`docker logs ${container.name}`)]);
  const told = JSON.parse(stdout) as Told;
  expect(told).toMatchObject({
    name: revived.name,
    revived: true,
    alive: true,
    stage: 'init',
    crash: { stage: 'init', error: { type: 'ValueError', message: 'no model today', line: 12 }, exitCode: 111 },
  });
  // The old one is as it was.
  expect(await inspect(container.name, '.State.Status')).toBe('exited');
  expect((await execa('docker', ['logs', container.name])).stdout).toBe(log.stdout);
  // The new one is like it, and nobody else's.
  for (const format of ['.Config.Env', '.Config.User', '.Config.Tty', '.Config.WorkingDir', '.HostConfig.Memory']) {
    expect([format, await inspect(revived.name, format)]).toEqual([format, await inspect(container.name, format)]);
  }
  expect(await inspect(revived.name, '.Config.Cmd')).toEqual(['runsvdir', '/var/runit']);
  const labels = (await inspect(revived.name, '.Config.Labels')) as Record<string, string>;
  expect(labels).toMatchObject({ mine: '1' });
  expect(labels).not.toHaveProperty('azureml-local-endpoint');
  // The mend makes it answer.
  const good = readFileSync(join(workspace.app, 'score.py'), 'utf8');
  writeFileSync(join(workspace.app, 'score.py'), BROKEN);
  await using sync = new Running(['sync', revived.name, '--dir', workspace.app, '--json'], workspace);
  await sync.event('ready', ({ event }) => event === 'ready');
  writeFileSync(join(workspace.app, 'score.py'), good);
  await until('it answers', async () => (await score(told.scoreUrl)).status === 200);
  // Its commits are called as the old one's would be.
  const { stdout: committed } = await drydock(['commit', revived.name, '--json'], workspace);
  const { tag } = JSON.parse(committed) as { tag: string };
  await execa('docker', ['rmi', tag]);
  expect(tag.split(':')[0]).toBe(image.tag.split(':')[0]);
});

test('the history goes on: what was edited meanwhile travels without a question, in both directions', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user');
  {
    await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
    await sync.event('ready', ({ event }) => event === 'ready');
    writeFileSync(join(workspace.app, 'both.txt'), 'one');
    await until('it arrived', async () => (await container.exec('ls', '/var/azureml-app')).includes('both.txt'));
    sync.kill('SIGTERM');
    await sync.exited;
  }
  await container.exec('sh', '-c', 'printf theirs >/var/azureml-app/theirs.txt');
  const finish = () => container.exec('cat', '/var/runit/gunicorn/finish');
  await until('nobody holds it', async () => !(await finish()).includes('Drydock'));
  await container.killInside('azmlinfsrv');
  await execa('docker', ['wait', container.name]);
  writeFileSync(join(workspace.app, 'both.txt'), 'two');
  await using revived = withRevived(container);
  expect((await drydock(['revive', container.name, '--json'], workspace)).exitCode).toBe(0);
  const { exitCode } = await drydock(['sync', revived.name, '--dir', workspace.app, '--once'], workspace);
  expect(exitCode).toBe(0);
  expect(readFileSync(join(workspace.app, 'theirs.txt'), 'utf8')).toBe('theirs');
  const { stdout } = await execa('docker', ['exec', revived.name, 'cat', '/var/azureml-app/both.txt']);
  expect(stdout).toBe('two');
});

test('one that ends again and again is stopped first; with the console on a terminal', async () => {
  using workspace = new Workspace();
  await using real = await engine();
  await using image = await broken(real);
  const args = ['--restart', 'always'];
  await using container = await LiveContainer.start('plain-user', { image: image.tag, args, cold: true });
  await until('it was restarted', async () => Number(await inspect(container.name, '.RestartCount')) > 0);
  await using revived = withRevived(container);
  const good = readFileSync(join(workspace.app, 'score.py'), 'utf8');
  writeFileSync(join(workspace.app, 'score.py'), BROKEN);
  await using terminal = console(['revive', container.name, '--dir', workspace.app], workspace);
  await terminal.waitFor(revived.name);
  await terminal.waitFor('no model today');
  await terminal.waitFor('0 conflicts'); // the sides have been compared: the mend is an edit of one of them
  writeFileSync(join(workspace.app, 'score.py'), good);
  await terminal.waitFor('healthy');
  terminal.type('q');
  expect((await terminal.exited).exitCode).toBe(0);
  expect(terminal.output).toContain('stopped first');
  expect(await inspect(container.name, '.State.Status')).toBe('exited');
  expect(await inspect(revived.name, '.State.Running')).toBe(true);
});

test('one that answers: there is nothing to revive', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user');
  const { exitCode, stdout } = await drydock(['revive', container.name, '--json'], workspace);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ container: container.name, revived: false });
});

test('its port is taken by now: said, and nothing is left behind', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user');
  const port = new URL(await container.scoreUrl()).port;
  await execa('docker', ['rm', '-f', container.name]);
  const publish = ['-p', `127.0.0.1:${port}:5001`];
  await using first = await LiveContainer.start('plain-user', { args: publish, unpublished: true, cold: true });
  await execa('docker', ['stop', '-t', '0', first.name]);
  await using second = await LiveContainer.start('plain-user', { args: publish, unpublished: true, cold: true });
  expect(await inspect(second.name, '.State.Running')).toBe(true);
  const { exitCode, stderr } = await drydock(['revive', first.name, '--json'], workspace);
  expect([exitCode, stderr]).toEqual([4, expect.stringContaining(port)]);
  expect((await execa('docker', ['ps', '-aq', '--filter', `name=${first.name}-revived`])).stdout).toBe('');
  const from = `label=io.drydock.revived-from=${first.id}`;
  expect((await execa('docker', ['images', '-q', '--filter', from])).stdout).toBe('');
});
