import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseRoot, type RootFacts } from '../../../agent/service/root.ts';

const choose = (facts: Partial<RootFacts>): string =>
  chooseRoot({ given: undefined, entryScript: null, env: {}, cwd: null, mounts: [], ...facts }).path;

test.each<[string, Partial<RootFacts>, string]>([
  ['--root goes before everything', { given: '/x', entryScript: '/var/azureml-app/main.py' }, '/x'],
  [
    'a v1 image: AML_APP_ROOT',
    { entryScript: '/var/azureml-app/main.py', env: { AML_APP_ROOT: '/var/azureml-app' }, mounts: ['/', '/proc'] },
    '/var/azureml-app',
  ],
  [
    'a mounted code folder, also where AML_APP_ROOT is a sub-folder of it',
    {
      entryScript: '/var/azureml-app/code/online/score.py',
      env: { AML_APP_ROOT: '/var/azureml-app/code/online' },
      mounts: ['/', '/var/azureml-app/code', '/var/azureml-app/azureml-models'],
    },
    '/var/azureml-app/code',
  ],
  [
    'a baked project below /var/azureml-app: its own folder, whose helpers lie above AML_APP_ROOT',
    { entryScript: '/var/azureml-app/proj/src/score.py', env: { AML_APP_ROOT: '/var/azureml-app/proj/src' } },
    '/var/azureml-app/proj',
  ],
  [
    'a mount above AML_APP_ROOT holds more than code',
    { entryScript: '/srv/app/score.py', env: { AML_APP_ROOT: '/srv/app' }, mounts: ['/srv'] },
    '/srv/app',
  ],
  [
    'a mounted entry script is no folder',
    { entryScript: '/srv/app/score.py', cwd: '/srv/app', mounts: ['/srv/app/score.py'] },
    '/srv/app',
  ],
  [
    'plain gunicorn: the working folder that holds the script',
    { entryScript: '/srv/app/pkg/wsgi.py', cwd: '/srv/app' },
    '/srv/app',
  ],
  ['no entry script: the working folder', { cwd: '/srv/app' }, '/srv/app'],
  ['never a folder of the system', { cwd: '/' }, '/var/azureml-app'],
])('%s', (_, facts, root) => expect(choose(facts)).toBe(root));

test('MLflow without code: the model’s folder, since the entry script is generated', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-mlflow-'));
  mkdirSync(join(dir, 'model'));
  writeFileSync(join(dir, 'model', 'MLmodel'), '');
  const env = { AML_APP_ROOT: '/var/mlflow_resources', AZUREML_MODEL_DIR: dir };
  expect(choose({ entryScript: '/var/mlflow_resources/mlflow_score_script.py', env })).toBe(join(dir, 'model'));
  rmSync(dir, { recursive: true });
});
