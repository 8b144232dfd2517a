/** drydock.yaml and the flags that go before it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drydock, LiveContainer, Running, Workspace } from '../support/live.ts';

test('--version says which release and which build it is', async () => {
  using workspace = new Workspace();
  const told = await drydock(['--version'], workspace);
  expect(told).toMatchObject({ exitCode: 0, stderr: '' });
  expect(told.stdout).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{12}\n?$/);
});

test('drydock.yaml names container, folder, root and routes for every verb; flags go before it', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const settings = (text: string) => writeFileSync(join(workspace.dir, 'drydock.yaml'), text);

  settings(`container: ${container.name}\ndir: app\nprt: 5001\n`);
  const wrong = await drydock(['reload'], workspace);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
  expect(wrong.stderr).toContain(`${workspace.dir}/drydock.yaml, line 3: there is no key \`prt\`.`);

  settings(`container: ${container.name}\ndir: app\nport: 5001\nhealth_path: /healthz\n`);
  await using sync = new Running(['sync', '--json', '--no-reload', '--no-hook'], workspace);
  const ready = await sync.event('the first comparison', ({ event }) => event === 'ready');
  expect(ready).toMatchObject({
    dir: workspace.app,
    root: '/var/azureml-app',
    found: {
      how: 'azmlinfsrv, run by runit in /var/runit/gunicorn',
      port: 'given by --port or drydock.yaml',
      root: expect.stringContaining('entry script') as string,
      entry: '--entry_script, whose /var/azureml-app/main.py loads it',
    },
  });
  // By a trial a reload ends with the health route's answer. The service has no such route: it is unhealthy by the file's word, and well by the flag's.
  const byFile = await drydock(['reload', '--json', '--no-hook'], workspace);
  expect(JSON.parse(byFile.stdout)).toMatchObject({ ok: false, stage: 'answer' });
  const byFlag = await drydock(['reload', '--json', '--no-hook', '--health-path', '/'], workspace);
  expect(JSON.parse(byFlag.stdout)).toMatchObject({ ok: true });

  const other = await drydock(['shell', container.name, '--root', '/var/azureml-app/helpers', '--', 'pwd'], workspace);
  expect(other.stderr).toContain('A console is attached to the container with the folder /var/azureml-app');
  expect(other.exitCode).toBe(4);
});

test('--root counts for an agent that runs already', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const where = async (...flags: string[]) =>
    (await drydock(['shell', container.name, ...flags, '--', 'pwd'], workspace)).stdout.trim();
  expect(await where()).toBe('/var/azureml-app');
  expect(await where('--root', '/var/azureml-app/helpers')).toBe('/var/azureml-app/helpers');
  mkdirSync(join(workspace.dir, 'below'));
  writeFileSync(join(workspace.dir, 'drydock.yaml'), 'root: /var/azureml-app\n');
  expect(await where()).toBe('/var/azureml-app');
});
