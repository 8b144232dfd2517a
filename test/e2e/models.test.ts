/** The container's models: listed, and fetched on request. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import {
  console as openConsole,
  drydock,
  LiveContainer,
  Running,
  score,
  until,
  Workspace,
  type JsonEvent,
} from '../support/live.ts';

const MODELS = '/var/azureml-app/azureml-models';
const LARGE = 300_000_000;

/** As root: models are often its. */
const inside = async (container: LiveContainer, script: string): Promise<string> =>
  (await execa('docker', ['exec', '-u', '0', container.name, 'sh', '-c', script])).stdout;

async function sha256(file: string): Promise<string> {
  const hasher = createHash('sha256');
  for await (const chunk of createReadStream(file)) hasher.update(chunk as Uint8Array);
  return hasher.digest('hex');
}

const modelFiles = (app: string): string[] =>
  existsSync(join(app, 'azureml-models'))
    ? readdirSync(join(app, 'azureml-models'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(app.length + 1))
        .sort()
    : [];

const number = (event: JsonEvent, field: string): number => Number(event[field]);

test('a large model: listed in the pane, fetched by a key, gone on with after kills of console and agent beside an edit', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const url = await container.scoreUrl();
  await inside(container, `mkdir -p ${MODELS}/big/1; head -c ${LARGE} /dev/urandom > ${MODELS}/big/1/w.bin`);
  const digest = (await inside(container, `sha256sum ${MODELS}/big/1/w.bin`)).slice(0, 64);
  let stopped: number;
  {
    await using terminal = openConsole(['attach', container.name, '--dir', app], workspace, { columns: 100, rows: 30 });
    await terminal.waitFor(/azureml-models\/big\/1\/ +300 MB .*not copied/);
    await terminal.waitFor(/azureml-models\/diabetes\/1\/ +633 B .*not copied/);
    await terminal.waitFor(/ready|healthy/);
    // One that comes is shown, and one that goes is not.
    await inside(container, `mkdir -p ${MODELS}/late/1; echo x > ${MODELS}/late/1/m.txt`);
    await terminal.waitFor('azureml-models/late/1/');
    await inside(container, `rm -r ${MODELS}/late`);
    await terminal.waitGone('azureml-models/late');
    await terminal.waitFor('m fetch 300 MB');
    terminal.type('m');
    const way = /fetching models: (\d+) MB of 300 MB/;
    await terminal.waitFor(way);
    // Keys do not wait for it.
    terminal.type('?');
    terminal.type(' '); // the keys take more than one page
    await terminal.waitFor('stop, to go on later');
    terminal.type('\x1b');
    const screen = await terminal.waitFor(way);
    stopped = Number(way.exec(screen)?.[1]) * 1_000_000;
    terminal.kill('SIGKILL');
    await terminal.exited;
  }
  expect(modelFiles(app)).not.toContain('azureml-models/big/1/w.bin');

  await using sync = new Running(['sync', container.name, '--dir', app, '--json', '--with-models'], workspace);
  const fetching = ({ event, phase }: JsonEvent) => event === 'fetching' && phase === 'fetching';
  const first = await sync.event('what was here before', (event) => fetching(event) && number(event, 'bytes') > 0);
  expect(number(first, 'bytes')).toBeGreaterThanOrEqual(stopped);
  const second = await sync.event('more', (event) => fetching(event) && number(event, 'transferred') > 0);
  await container.killInside('agent.cjs serve');
  const script = join(app, 'score.py');
  writeFileSync(script, readFileSync(script, 'utf8').replace(/return .*$/m, "return {'mark': 'meanwhile'}"));
  const done = await sync.event('the end', ({ event }) => event === 'fetched');
  // Since the agent is back.
  expect(number(done, 'transferred') + number(done, 'resumed')).toBe(number(done, 'bytes'));
  expect(number(done, 'resumed')).toBeGreaterThanOrEqual(number(second, 'bytes') - 1_000);
  expect(await sha256(join(app, 'azureml-models/big/1/w.bin'))).toBe(digest);
  expect(existsSync(join(app, '.drydock'))).toBe(false);

  await until('the edit serves', async () => (await score(url)).body.includes('meanwhile'));

  // What comes later is wanted as well.
  writeFileSync(join(workspace.dir, 'late.txt'), 'late');
  const put = await drydock(['model', 'put', container.name, 'late=late.txt', '--json'], workspace);
  expect(put.exitCode, put.stderr).toBe(0);
  await until('it is here', () => modelFiles(app).includes('azureml-models/late/1/late.txt'));
  expect(await inside(container, `find ${MODELS} -name '.*'; ls -A /var/azureml-app | grep drydock || true`)).toBe('');
});

test('copies of this machine that differ, a full disk, and a model that changed between two fetches', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const fetch = async (dir = app, ...flags: string[]) => {
    const argv = ['sync', container.name, '--dir', dir, '--once', '--json', '--with-models', ...flags];
    const { exitCode, stdout, stderr } = await drydock(argv, workspace);
    const events = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as JsonEvent);
    return { exitCode, stderr, end: events.find(({ event }) => event === 'fetched' || event === 'unfetched') };
  };
  await inside(container, `mkdir -p ${MODELS}/big/2; head -c 40000000 /dev/urandom > ${MODELS}/big/2/w.bin`);
  const listed = await drydock(['model', 'list', container.name, '--json'], workspace);
  expect(listed.stdout.split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([
    { name: 'big', version: '2', files: 1, bytes: 40_000_000, folder: MODELS },
    { name: 'diabetes', version: '1', files: 1, bytes: 633 },
  ]);

  // No room: said before anything is fetched.
  const small = join(workspace.dir, 'small');
  mkdirSync(small);
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', small]);
  try {
    const full = await fetch(small);
    expect(full.exitCode).toBe(4);
    expect(full.end).toMatchObject({
      event: 'unfetched',
      error: {
        message: expect.stringMatching(
          /^40 MB of models do not fit on the disk of .*small: \d+ MB may be taken/,
        ) as string,
      },
    });
    expect(modelFiles(small)).toEqual([]);
  } finally {
    await execa('umount', [small]);
  }

  // A small one goes to the journal, and comes back; a large one is left alone.
  const own = join(app, 'azureml-models/diabetes/1/model.pkl');
  mkdirSync(join(app, 'azureml-models/diabetes/1'), { recursive: true });
  writeFileSync(own, 'my own');
  mkdirSync(join(app, 'azureml-models/big/2'), { recursive: true });
  writeFileSync(join(app, 'azureml-models/big/2/w.bin'), Buffer.alloc(17 * 1024 * 1024, 'h'));
  const refused = await fetch();
  expect(refused.exitCode).toBe(4);
  expect(refused.end).toMatchObject({
    event: 'unfetched',
    error: { hint: expect.stringContaining('--replace-models') as string },
  });
  expect(readFileSync(own).length).toBe(633);
  expect(readFileSync(join(app, 'azureml-models/big/2/w.bin')).length).toBe(17 * 1024 * 1024);
  const [action] = (await drydock(['undo', '--dir', app, '--json'], workspace)).stdout.split('\n');
  const { id, path } = JSON.parse(action ?? '') as { id: string; path: string };
  expect(path).toBe('azureml-models/diabetes/1/model.pkl');
  const undone = await drydock(['undo', id, '--dir', app], workspace);
  expect(undone.exitCode, undone.stderr).toBe(0);
  expect(readFileSync(own, 'utf8')).toBe('my own');
  const replaced = await fetch(app, '--replace-models');
  expect(replaced.exitCode, replaced.stderr).toBe(0);
  expect(replaced.end).toMatchObject({ event: 'fetched', files: 2, kept: ['azureml-models/diabetes/1/model.pkl'] });

  // Equal copies do not travel, whatever their time; nothing goes to the container.
  utimesSync(own, 1, 1);
  expect((await fetch()).end).toMatchObject({ files: 0, transferred: 0 });
  writeFileSync(own, 'edited here');
  expect((await drydock(['sync', container.name, '--dir', app, '--once'], workspace)).exitCode).toBe(0);
  expect(await inside(container, `wc -c < ${MODELS}/diabetes/1/model.pkl`)).toBe('633');

  // Changed in the container: fetched again.
  await inside(container, `printf changed | dd of=${MODELS}/big/2/w.bin conv=notrunc status=none`);
  const again = await fetch(app, '--replace-models');
  expect(again.end).toMatchObject({ event: 'fetched', files: 2, resumed: 0 });
  expect(readFileSync(join(app, 'azureml-models/big/2/w.bin')).subarray(0, 7).toString()).toBe('changed');
});
