/** What the ignore rules of the host's folder name stays where it is, also while they are being edited. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { drydock, LiveContainer, Running, until, Workspace } from '../support/live.ts';

const APP = '/var/azureml-app';
const HERE = ['--no-reload', '--json'];

class Synced implements AsyncDisposable {
  readonly workspace = new Workspace();
  readonly app = this.workspace.app;
  readonly container: LiveContainer;
  readonly sync: Running;

  private constructor(container: LiveContainer) {
    this.container = container;
    this.sync = new Running(['sync', container.name, '--dir', this.app, ...HERE], this.workspace);
  }

  static async start(): Promise<Synced> {
    const container = await LiveContainer.start('plain-user', { cold: true, command: ['sleep', 'infinity'] });
    const synced = new Synced(container);
    await synced.sync.event('ready', ({ event }) => event === 'ready');
    return synced;
  }

  host(path: string, text: string): void {
    mkdirSync(join(this.app, path, '..'), { recursive: true });
    writeFileSync(join(this.app, path), text);
  }

  sh(script: string): Promise<string> {
    return this.container.exec('sh', '-c', `cd ${APP}; ${script}`);
  }

  travelled(path: string): Promise<unknown> {
    return this.sync.event(path, (told) => told.event === 'synced' && told['path'] === path);
  }

  /** What was ever sent below a path. */
  sent(folder: string): unknown[] {
    return this.sync.events.filter(({ event, path }) => event === 'synced' && String(path).startsWith(folder));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sync[Symbol.asyncDispose]();
    await this.container[Symbol.asyncDispose]();
    this.workspace[Symbol.dispose]();
  }
}

test('.amlignore in the place of .gitignore, and .drydockignore after it; --explain says which of them decides', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user', { cold: true, command: ['sleep', 'infinity'] });
  const { app } = workspace;
  for (const folder of ['secrets', 'data']) mkdirSync(join(app, folder));
  for (const path of ['secrets/key', 'data/a.csv', 'data/keep.csv', 'notes.md']) writeFileSync(join(app, path), path);
  writeFileSync(join(app, '.gitignore'), 'notes.md\n');
  writeFileSync(join(app, '.amlignore'), '# not for the service\nsecrets/\n*.csv\n*.log\n');
  writeFileSync(join(app, '.drydockignore'), '!keep.csv\n');
  await container.exec('sh', '-c', `mkdir ${APP}/secrets; cd ${APP}; touch service.log theirs.txt secrets/theirs`);
  const { exitCode, stdout } = await drydock(
    ['sync', container.name, '--dir', app, '--once', '--union', ...HERE],
    workspace,
  );
  expect(exitCode, stdout).toBe(0);
  const inside = (await container.exec('sh', '-c', `cd ${APP}; find . -type f`)).split('\n');
  expect(inside).toEqual(expect.arrayContaining(['./data/keep.csv', './notes.md', './.amlignore', './secrets/theirs']));
  expect(inside.filter((path) => /key|a\.csv/.test(path))).toEqual([]);
  expect(readdirSync(app)).toContain('theirs.txt');
  expect(readdirSync(app)).not.toContain('service.log');
  expect(readdirSync(join(app, 'secrets'))).toEqual(['key']);

  const explained = (path: string) => drydock(['sync', '--explain', path, '--dir', app], workspace);
  expect(await explained('secrets/key')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('secrets/key is not synchronised: .amlignore:2 secrets/') as string,
  });
  expect((await explained('data/keep.csv')).stdout).toContain(
    'data/keep.csv is synchronised: .drydockignore:1 !keep.csv',
  );
  expect((await explained('notes.md')).stdout).toContain('notes.md is synchronised: no rule names it');
  expect((await explained('/etc/passwd')).exitCode).toBe(2);
});

describe('a rule and what it names, in one go', () => {
  test('on this machine, and taken out again', async () => {
    await using synced = await Synced.start();
    for (const n of [1, 2, 3]) {
      appendFileSync(join(synced.app, '.gitignore'), `secrets-${n}/\n`);
      synced.host(`secrets-${n}/key`, 'secret');
      synced.host(`after-${n}.txt`, 'after');
      await synced.travelled(`after-${n}.txt`);
      await until('the rule arrives', async () => (await synced.sh('cat .gitignore')).includes(`secrets-${n}/`));
    }
    expect(synced.sent('secrets-')).toEqual([]);
    writeFileSync(join(synced.app, '.gitignore'), 'secrets-1/\nsecrets-3/\n');
    await synced.travelled('secrets-2/key');
    expect(await synced.sh('ls -d secrets-*')).toBe('secrets-2');
  });

  test('in the container', async () => {
    await using synced = await Synced.start();
    for (const n of [1, 2, 3]) {
      await synced.sh(`echo logs-${n}/ >>.gitignore; for d in logs new; do mkdir $d-${n}; echo s >$d-${n}/a; done`);
      await synced.travelled(`new-${n}/a`);
      expect(existsSync(join(synced.app, `logs-${n}`)), `${n}`).toBe(false);
    }
  });

  test('while the container is away', async () => {
    await using synced = await Synced.start();
    const { name } = synced.container;
    await execa('docker', ['stop', '-t', '0', name]);
    await synced.sync.event('waiting', ({ event }) => event === 'waiting');
    synced.host('.gitignore', 'secrets/\n');
    synced.host('secrets/key', 'secret');
    synced.host('after.txt', 'after');
    await execa('docker', ['start', name]);
    await synced.travelled('after.txt');
    expect(synced.sent('secrets')).toEqual([]);
    expect(await synced.sh('ls')).not.toContain('secrets');
    // Nor does anything go that was synchronised before it was named.
    synced.host('.gitignore', 'secrets/\nhelpers/\n');
    rmSync(join(synced.app, 'helpers'), { recursive: true });
    synced.host('last.txt', 'last');
    await synced.travelled('last.txt');
    expect(await synced.sh('ls')).toContain('helpers');
  });
});

test('what is made in the container is the service user’s, with the folder’s mode and group; names keep their Unicode form', async () => {
  await using synced = await Synced.start();
  const { container, app } = synced;
  // A folder of root's, as images have it, and one whose group is handed on.
  await execa('docker', [
    ...['exec', '-u', '0', container.name, 'sh', '-c'],
    `cd ${APP}; mkdir of-root; chown 0:0 of-root; mkdir team; chown 1000:4321 team; chmod 2775 team`,
  ]);
  await until('both are here', () => existsSync(join(app, 'of-root')) && existsSync(join(app, 'team')));
  const [composed, decomposed] = ['caf\u00e9.txt', 'cafe\u0301.txt'];
  for (const path of ['new.txt', 'deep/new.txt', 'of-root/new.txt', 'team/new.txt', composed, decomposed])
    synced.host(path, path);
  writeFileSync(join(app, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  synced.host('last.txt', 'last');
  const paths = [
    ...['new.txt', 'deep', 'deep/new.txt', 'of-root/new.txt', 'team', 'team/new.txt', 'run.sh'],
    ...[composed, decomposed, 'last.txt'],
  ];
  for (const path of paths.filter((each) => each !== 'team')) await synced.travelled(path);
  const facts = await synced.sh(`stat -c '%u:%g %a %n' ${paths.map((path) => `'${path}'`).join(' ')}`);
  expect(facts.split('\n')).toEqual([
    '1000:1000 644 new.txt',
    '1000:1000 755 deep',
    '1000:1000 644 deep/new.txt',
    '1000:1000 644 of-root/new.txt',
    '1000:4321 2775 team',
    '1000:4321 664 team/new.txt',
    '1000:1000 755 run.sh',
    `1000:1000 644 ${composed}`,
    `1000:1000 644 ${decomposed}`,
    '1000:1000 644 last.txt',
  ]);
  expect(await synced.sh(`cat '${composed}' '${decomposed}'`)).toBe(composed + decomposed);

  // The other way round, and each for itself.
  const [n, d] = ['\u00fcber.txt', 'u\u0308ber.txt'];
  await synced.sh(`printf composed >'${n}'; printf decomposed >'${d}'`);
  for (const path of [n, d]) await synced.travelled(path);
  await synced.sh(`rm '${n}'`);
  await until('one is gone', () => !readdirSync(app).includes(n));
  expect(readdirSync(app)).toContain(d);
});
