/** A service that loads new code only at its start, and is the container's first process. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { console, drydock, LiveContainer, score, until, Workspace } from '../support/live.ts';

const start = () =>
  LiveContainer.start('plain-user', {
    args: ['-e', 'WORKER_PRELOAD=true', '-w', '/var/azureml-app', '--entrypoint', 'azmlinfsrv'],
    command: ['--entry_script', 'score.py', '--port', '5001'],
  });

const script = (answer: string) => `def init():\n    pass\n\n\ndef run(data):\n    return '${answer}'\n`;

async function startedAt(container: LiveContainer): Promise<string> {
  return (await execa('docker', ['inspect', '-f', '{{.State.StartedAt}}', container.id])).stdout;
}

test('reload: the code is tried, and served by a restart of the container where that is asked for', async () => {
  await using container = await start();
  using workspace = new Workspace();
  const first = await startedAt(container);
  const source = script('second');
  await execa('docker', ['exec', '-i', container.id, 'sh', '-c', 'cat > score.py'], { input: source });
  const tried = await drydock(['reload', container.name, '--json'], workspace);
  expect(tried.exitCode).toBe(1);
  expect(JSON.parse(tried.stdout)).toMatchObject({ ok: false, stage: 'switch', needs: 'container-restart' });
  expect(await startedAt(container)).toBe(first);

  const done = await drydock(['reload', container.name, '--restart', '--json'], workspace);
  expect(JSON.parse(done.stdout)).toMatchObject({ ok: true, stage: 'answer' });
  expect(done.exitCode).toBe(0);
  expect(await score(await container.scoreUrl())).toEqual({ status: 200, body: '"second"' });

  const second = await startedAt(container);
  await execa('docker', ['exec', '-i', container.id, 'sh', '-c', 'cat > score.py'], { input: 'def init(:\n' });
  const broken = await drydock(['reload', container.name, '--restart', '--json'], workspace);
  expect(JSON.parse(broken.stdout)).toMatchObject({ ok: false, stage: 'compile', error: { type: 'SyntaxError' } });
  expect(await startedAt(container)).toBe(second);
});

test('the console asks once; a broken edit starts nothing again', async () => {
  await using container = await start();
  using workspace = new Workspace();
  await using terminal = console(['attach', container.name, '--dir', workspace.app], workspace, {
    columns: 100,
    rows: 30,
  });
  // Not published while it is down.
  const answered = () => container.scoreUrl().then(score, () => ({ body: '' }));
  const serves = (answer: string) =>
    until(`${answer} is served`, async () => (await answered()).body === JSON.stringify(answer));
  const edit = (text: string) => writeFileSync(join(workspace.app, 'score.py'), text);
  await terminal.waitFor('7 files');
  edit(script('one'));
  await terminal.waitFor('loads it only at its start');
  terminal.type('y');
  await serves('one');
  await terminal.waitFor('healthy');

  edit(script('two'));
  await serves('two');
  expect(terminal.screen()).not.toContain('loads it only at its start');
  await terminal.waitFor('healthy');

  const last = await startedAt(container);
  appendFileSync(join(workspace.app, 'score.py'), 'def (:\n');
  await terminal.waitFor('SyntaxError');
  expect(await startedAt(container)).toBe(last);
});
