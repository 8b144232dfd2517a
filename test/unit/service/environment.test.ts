import { expect, test } from 'vitest';
import { fromHook } from '../../../agent/hook/messages.ts';
import { azmlinfsrvEnvironment, azureEntryScript, toldEnvironment } from '../../../agent/service/environment.ts';

test('azmlinfsrv’s own settings are added as it adds them', () => {
  const env = azmlinfsrvEnvironment({ HOME: '/h' }, ['--entry_script', 'src/score.py', '--model_dir', 'm'], '/app');
  expect(env).toEqual({
    HOME: '/h',
    AML_APP_ROOT: '/app',
    AZUREML_ENTRY_SCRIPT: '/app/src/score.py',
    AZUREML_MODEL_DIR: 'm',
    TRANSPORT_PROTOCOL: 'grpc',
    WORKER_COUNT: '1',
    SERVER_PORT: '5001',
    HEALTH_PORT: '5001',
    AML_APP_INSIGHTS_ENABLED: 'false',
  });
});

test('what is set already stays, the port apart', () => {
  const environ = {
    AML_APP_ROOT: '/root',
    AZUREML_MODEL_DIR: '/m',
    SERVER_PORT: '1',
    SEPERATE_HEALTH_ENDPOINT: 'true',
    WORKER_COUNT: '3',
  };
  expect(azmlinfsrvEnvironment(environ, ['--port=6000'], '/app')).toMatchObject({
    AML_APP_ROOT: '/root',
    AZUREML_MODEL_DIR: '/m',
    SERVER_PORT: '6000',
    HEALTH_PORT: '5000',
    WORKER_COUNT: '3',
  });
});

test('the entry script is main.py unless it is named, under AML_APP_ROOT unless it is absolute', () => {
  expect(azureEntryScript({})).toBe('/var/azureml-app/main.py');
  expect(azureEntryScript({ AML_APP_ROOT: '/a', AZUREML_ENTRY_SCRIPT: 'x/y/score.py' })).toBe('/a/x/y/score.py');
  expect(azureEntryScript({ AML_APP_ROOT: '/a', AZUREML_ENTRY_SCRIPT: '/b/score.py' })).toBe('/b/score.py');
});

test('what the service tells counts, but for what Python and the loader read at its start', () => {
  const environ = { HOME: '/h', PYTHONPATH: '/kit', LD_LIBRARY_PATH: '/lib' };
  const told = {
    HOME: '/h',
    AZUREML_MODEL_DIR: 'm',
    PYTHONPATH: '/late',
    PYTHONHOME: '/late',
    DRYDOCK_COPY: '/dev/shm/x',
  };
  expect(toldEnvironment(environ, told)).toEqual({ ...environ, AZUREML_MODEL_DIR: 'm' });
});

test('a told environment with which no process could be started is none', () => {
  const read = (environ: unknown) => fromHook.parse({ ready: { pid: 7, environ } });
  expect(read({ A: 'b' })).toEqual({ ready: { pid: 7, environ: { A: 'b' } } });
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`A${at}`, 'x'.repeat(100_000)]));
  for (const environ of [{ A: 'x'.repeat(200_000) }, many, { A: 1 }, ['A=b'], undefined])
    expect(read(environ)).toEqual({ ready: { pid: 7, environ: null } });
});
