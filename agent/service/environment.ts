/** What the server itself puts into `os.environ` after its start, which /proc does not show. */
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAzmlinfsrv } from './argv.ts';
import { COPY_VARIABLE } from './last-good.ts';

export type Environment = Readonly<Record<string, string>>;

const real = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    return path; // os.path.realpath takes a path that is not there as it stands
  }
};

/**
 * azmlinfsrv's `merge_configuration` and `validate_environment_variables` (amlserver.py, 1.5.1) applied to a process's
 * environment at exec, its arguments and its working folder.
 */
export function azmlinfsrvEnvironment(environ: Environment, args: readonly string[], cwd: string): Environment {
  const given = parseAzmlinfsrv(args);
  const separate = environ['SEPERATE_HEALTH_ENDPOINT'] === 'true';
  const port = given.port ?? '5001';
  const key = given.appinsights_instrumentation_key ?? environ['AML_APP_INSIGHTS_KEY'];
  const uuid = key !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(key);
  const insights =
    given.appinsights_instrumentation_key !== undefined || environ['AML_APP_INSIGHTS_ENABLED'] === 'true';
  return {
    ...environ,
    AML_APP_ROOT: environ['AML_APP_ROOT'] ?? cwd,
    ...(given.entry_script && { AZUREML_ENTRY_SCRIPT: real(resolve(cwd, given.entry_script)) }),
    ...(given.model_dir !== undefined && { AZUREML_MODEL_DIR: given.model_dir }),
    TRANSPORT_PROTOCOL: given.rest ? 'rest' : 'grpc',
    WORKER_COUNT: given.worker_count ?? environ['WORKER_COUNT'] ?? '1',
    SERVER_PORT: port,
    HEALTH_PORT: separate ? (given.health_port ?? '5000') : (given.port ?? environ['HEALTH_PORT'] ?? port),
    ...(key !== undefined && { AML_APP_INSIGHTS_KEY: key }),
    AML_APP_INSIGHTS_ENABLED: String(uuid && insights),
    ...(given.access_control_allow_origins !== undefined && { AML_CORS_ORIGINS: given.access_control_allow_origins }),
    ...(given.config_file !== undefined && { AZUREML_CONFIG_FILE: real(resolve(cwd, given.config_file)) }),
  };
}

/** `told` is `os.environ` of a worker that was started with `environ`: what Python and the loader read at a start stays. */
export function toldEnvironment(environ: Environment, told: Environment): Environment {
  const readAtStart = ([name]: readonly [string, string]): boolean => /^(?:PYTHON|LD_)/.test(name);
  return Object.fromEntries([
    ...Object.entries(told).filter((one) => !readAtStart(one) && one[0] !== COPY_VARIABLE),
    ...Object.entries(environ).filter(readAtStart),
  ]);
}

/** The script that an Azure server loads: `AZUREML_ENTRY_SCRIPT` under `AML_APP_ROOT`, by default `main.py`. */
export function azureEntryScript(env: Environment): string {
  return resolve(env['AML_APP_ROOT'] ?? '/var/azureml-app', env['AZUREML_ENTRY_SCRIPT'] ?? 'main.py');
}

/** Files that may hold a module, in the order in which Python looks. */
export function moduleFiles(module: string, folders: readonly string[]): string[] {
  const path = module.replaceAll('.', '/');
  return folders.flatMap((folder) => [join(folder, path, '__init__.py'), join(folder, `${path}.py`)]);
}
