/** `drydock model put`: a good model serves, a bad one never takes over. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { drydock, LiveContainer, Running, score, Workspace } from '../support/live.ts';

const MODELS = '/var/azureml-app/azureml-models';

/** Another model of the same kind, trained where scikit-learn is. */
async function train(container: LiveContainer, to: string): Promise<void> {
  const program = `import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
joblib.dump(Ridge(alpha=50).fit(*load_diabetes(return_X_y=True)), '/tmp/other.pkl')`;
  await container.exec('python3', '-c', program);
  await execa('docker', ['cp', '-q', `${container.name}:/tmp/other.pkl`, to]);
}

test('a good model changes the answer; a bad one leaves it, and is taken away; nothing of it comes to the host', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const url = await container.scoreUrl();
  const listed = () => container.exec('sh', '-c', `cd ${MODELS}; find * | sort`);
  const old = await score(url);
  await train(container, join(workspace.dir, 'other.pkl'));
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');

  writeFileSync(join(workspace.dir, 'bad.pkl'), 'no pickle');
  const bad = await drydock(['model', 'put', container.name, 'diabetes=bad.pkl', '--json'], workspace);
  expect(JSON.parse(bad.stdout)).toMatchObject({
    name: 'diabetes',
    version: null,
    path: null,
    bytes: 9,
    reload: { ok: false, stage: 'init', error: { frames: expect.any(Array) as unknown[] } },
  });
  expect(bad.exitCode).toBe(1);
  expect(await score(url)).toEqual(old);
  expect(await listed()).toBe('diabetes\ndiabetes/1\ndiabetes/1/model.pkl');

  const good = await drydock(['model', 'put', container.name, 'diabetes=other.pkl', '--json'], workspace);
  expect(JSON.parse(good.stdout)).toMatchObject({
    name: 'diabetes',
    version: 2,
    path: `${MODELS}/diabetes/2`,
    ms: expect.any(Number) as number,
    reload: { ok: true },
  });
  const now = await score(url);
  expect(now.status).toBe(200);
  expect(now.body).not.toBe(old.body);
  expect(await container.exec('stat', '-c', '%a %U', `${MODELS}/diabetes/2`, `${MODELS}/diabetes/2/other.pkl`)).toBe(
    '755 dockeruser\n644 dockeruser',
  );

  // A model of another name, as a folder; numbers are compared as numbers.
  mkdirSync(join(workspace.dir, 'parts/inner'), { recursive: true });
  writeFileSync(join(workspace.dir, 'parts/inner/a.txt'), 'a');
  writeFileSync(join(workspace.dir, 'parts/.DS_Store'), 'x');
  await container.exec('sh', '-c', `mkdir -p ${MODELS}/more/9/a ${MODELS}/more/10/a`);
  const more = await drydock(['model', 'put', container.name, 'more=parts', '--json'], workspace);
  expect(JSON.parse(more.stdout)).toMatchObject({ version: 11, bytes: 1, reload: { ok: true } });
  expect(await container.exec('find', `${MODELS}/more/11`, '-mindepth', '1')).toBe(
    ['parts', 'parts/inner', 'parts/inner/a.txt'].map((path) => `${MODELS}/more/11/${path}`).join('\n'),
  );
  const fresh = await drydock(['model', 'put', container.name, 'fresh=other.pkl', '--json'], workspace);
  expect(JSON.parse(fresh.stdout)).toMatchObject({ version: 1, path: `${MODELS}/fresh/1` });

  expect(await container.exec('sh', '-c', 'ls -A /var/azureml-app | grep drydock || true')).toBe('');
  expect(existsSync(join(workspace.app, 'azureml-models'))).toBe(false);
  expect(sync.events.filter(({ event }) => event === 'synced')).toEqual([]);

  const v2 =
    "import os\n\n\ndef init():\n    os.listdir(os.environ['AZUREML_MODEL_DIR'])\n\n\ndef run(data):\n    return 1\n";
  writeFileSync(join(workspace.app, 'score.py'), v2);
  await sync.event('the new code', (event) => event.event === 'reloaded' && event['ok'] === true);
  const refused = await drydock(['model', 'put', container.name, 'diabetes=other.pkl'], workspace);
  expect(refused.stderr).toContain(`it reads AZUREML_MODEL_DIR, which is ${MODELS}/diabetes/1`);
  expect(refused.exitCode).toBe(4);
});

test('models that are mounted: says what to do on the host', async () => {
  const models = mkdtempSync(join(tmpdir(), 'drydock-models-'));
  try {
    await execa('chmod', ['755', models]);
    await using source = await LiveContainer.start('plain-user');
    await execa('docker', ['cp', '-q', `${source.name}:${MODELS}/diabetes`, models]);
    await using container = await LiveContainer.start('plain-user', { args: ['-v', `${models}:${MODELS}:ro`] });
    using workspace = new Workspace();
    writeFileSync(join(workspace.dir, 'new.pkl'), 'x');
    const put = await drydock(['model', 'put', container.name, 'diabetes=new.pkl'], workspace);
    expect(put.exitCode).toBe(4);
    expect(put.stderr).toContain(`${MODELS} is a mount of its own`);
    const to = `${models}/diabetes/2`;
    expect(put.stderr).toContain(`mkdir -p ${to} && cp -r ${workspace.dir}/new.pkl ${to}/new.pkl`);
  } finally {
    rmSync(models, { recursive: true, force: true });
  }
});
