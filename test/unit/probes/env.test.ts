import { expect, test } from 'vitest';
import { explainEnv, type EnvFacts } from '../../../agent/probes/env.ts';

const APP = '/var/azureml-app';
const facts: EnvFacts = {
  executable: '/usr/bin/python3',
  python: '3.11.2',
  prefix: '/usr',
  cwd: APP,
  uid: 1000,
  levels: [],
  config: null,
  logging: null,
  folders: { [APP]: true },
};
const worker = {
  server: 'azmlinfsrv' as const,
  command: {
    interpreter: 'python3',
    flags: [],
    program: { kind: 'script' as const, name: '/usr/local/bin/azmlinfsrv' },
    args: ['--entry_script', 'score.py'],
  },
  environ: { AML_APP_ROOT: APP, WORKER_TIMEOUT: '300' },
  env: {
    AML_APP_ROOT: APP,
    WORKER_TIMEOUT: '300',
    AZUREML_ENTRY_SCRIPT: `${APP}/score.py`,
    WORKER_COUNT: '1',
  } as Readonly<Record<string, string>>,
  cwd: APP,
  user: 'dockeruser',
  sources: { interpreter: 'the command line of process 8', entry: '--entry_script', env: 'process 8 at its start' },
  entryScript: `${APP}/score.py`,
};
const first = { AML_APP_ROOT: APP };
const failed = (changed: Partial<EnvFacts>, env: Record<string, string> = {}) =>
  explainEnv({ ...facts, ...changed }, { ...worker, env: { ...worker.env, ...env } }, first).filter(({ ok }) => !ok);

test('a usual service is well, and each variable says where it comes from', () => {
  const steps = explainEnv(facts, worker, first);
  expect(steps.every(({ ok }) => ok)).toBe(true);
  const said = Object.fromEntries(steps.map(({ name, detail }) => [name, detail]));
  expect(said).toMatchObject({
    AML_APP_ROOT: `${APP} (of the container)`,
    AZUREML_MODEL_DIR: 'not set',
    AZUREML_ENTRY_SCRIPT: `${APP}/score.py (by azmlinfsrv’s --entry_script)`,
    WORKER_COUNT: '1 (azmlinfsrv’s default)',
    WORKER_TIMEOUT: '300 (set by what starts the service, not of the container)',
  });
  expect(said['environment']).toBe('of process 8 at its start');
  expect(said['logging']).toContain('logging.info() is dropped');
});

test('what only the service’s own process can have set is told as that', () => {
  const env = { ...worker.env, AZUREML_MODEL_DIR: '/m', WORKER_COUNT: '2' };
  const said = explainEnv(facts, { ...worker, env }, first).map(({ name, detail }) => `${name}: ${detail}`);
  expect(said).toEqual(
    expect.arrayContaining([
      'AZUREML_MODEL_DIR: /m (set in the service’s own process, after its start), which is no folder',
      'WORKER_COUNT: 2 (set in the service’s own process, after its start)',
    ]),
  );
});

test('where the code sets the level is named', () => {
  const levels = [{ file: `${APP}/score.py`, line: 3, level: 'DEBUG', forced: true }];
  const said = explainEnv({ ...facts, levels }, worker, first).find(({ name }) => name === 'logging');
  expect(said).toMatchObject({ ok: true, detail: `${APP}/score.py:3 sets the root logger to DEBUG` });
});

test.each([
  ['AML_APP_ROOT', { folders: {} }, {}],
  ['WORKER_TIMEOUT', {}, { WORKER_TIMEOUT: 'five' }],
  ['config.json', { config: { file: `${APP}/config.json`, problem: 'it holds no JSON object' } }, {}],
  ['logging', { logging: { file: `${APP}/logging.json`, problem: 'Expecting value' } }, {}],
  [
    'AZUREML_CONDA_ENVIRONMENT_PATH',
    { folders: { [APP]: true, '/azureml-envs/minimal': true } },
    { AZUREML_CONDA_ENVIRONMENT_PATH: '/azureml-envs/minimal' },
  ],
] as const)('%s is named with its mend', (name, changed, env) => {
  expect(failed(changed, env)).toMatchObject([{ name, hint: expect.any(String) as string }]);
});

test('a project’s own config.json harms nobody', () => {
  const config = { file: `${APP}/config.json`, keys: ['threshold'], rootLevel: null };
  expect(failed({ config })).toEqual([]);
});
