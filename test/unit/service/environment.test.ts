import { expect, test } from 'vitest';
import { azmlinfsrvEnvironment, azureEntryScript } from '../../../agent/service/environment.ts';

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
