/** What the service's Python is and what its environment says, each with where it comes from. */
import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import { parseAzmlinfsrv } from '../service/argv.ts';
import type { Environment } from '../service/environment.ts';
import { isWithin } from '../service/root.ts';
import { derivedEnvironment, type ShellContext, type WorkerContext } from '../service/worker.ts';
import { askWorker, list, step } from './ask.ts';

const configSchema = z.union([
  z.object({ file: z.string(), problem: z.string() }),
  z.object({ file: z.string(), keys: z.array(z.string()), rootLevel: z.string().nullable() }),
]);
const factsSchema = z.object({
  executable: z.string(),
  python: z.string(),
  prefix: z.string(),
  cwd: z.string(),
  uid: z.int(),
  /** Where the user's files set the root logger's level; one that is not `forced` only where it has no handler yet. */
  levels: z.array(z.object({ file: z.string(), line: z.int(), level: z.string().nullable(), forced: z.boolean() })),
  config: configSchema.nullable(),
  logging: configSchema.nullable(),
  /** Whether each is a folder. */
  folders: z.record(z.string(), z.boolean()),
});

export type EnvFacts = z.infer<typeof factsSchema>;
type Worker = Pick<
  WorkerContext,
  'server' | 'command' | 'environ' | 'env' | 'cwd' | 'user' | 'sources' | 'entryScript'
>;

/** `first` is PID 1's environment; null where it can't be read. */
export function probeEnv(kitDir: string, context: ShellContext, first: Environment | null): Promise<ProbeReport> {
  return askWorker(kitDir, context, {
    probe: 'env',
    file: 'env.py',
    facts: factsSchema,
    spec: (worker, { cwd: root }) => ({ root, folders: configFolders(worker), paths: pathsOf(worker) }),
    explain: (facts, worker) => explainEnv(facts, worker, first),
  });
}

/** Variables that hold one folder, several folders, a whole number, a word. */
const FOLDER = ['AML_APP_ROOT', 'AZUREML_MODEL_DIR', 'AZUREML_CONDA_ENVIRONMENT_PATH'] as const;
const FOLDERS = ['PYTHONPATH', 'LD_LIBRARY_PATH'] as const;
const NUMBERS = ['WORKER_COUNT', 'WORKER_TIMEOUT', 'SCORING_TIMEOUT_MS', 'AZUREML_DEBUG_PORT'] as const;
const WORDS = [
  'AZUREML_ENTRY_SCRIPT',
  'AZUREML_SOURCE_DIRECTORY',
  'WORKER_PRELOAD',
  'GUNICORN_CMD_ARGS',
  'PYTHONHOME',
  'PYTHONNOUSERSITE',
  'AZUREML_LOG_LEVEL',
  'AML_LOG_LEVEL',
] as const;

const parts = (value: string): string[] => value.split(':').filter(Boolean);

function pathsOf({ env, cwd }: Worker): string[] {
  return [...FOLDER.flatMap((name) => env[name] ?? []), ...FOLDERS.flatMap((name) => parts(env[name] ?? ''))].map(
    (path) => resolve(cwd, path),
  );
}

/** Where azmlinfsrv looks for files of its own. */
function configFolders({ server, env, entryScript }: Worker): string[] {
  if (server !== 'azmlinfsrv') return [];
  return [env['AML_APP_ROOT'] ?? '', entryScript === null ? '' : dirname(entryScript)].filter(isAbsolute);
}

export function explainEnv(facts: EnvFacts, worker: Worker, first: Environment | null): ProbeStep[] {
  const { executable, python, uid, cwd } = facts;
  const { sources, user, env } = worker;
  const set = (names: readonly string[]): string[] => names.filter((name) => env[name] !== undefined);
  const from = (name: string): string => `${env[name] ?? ''} (${originOf(name, worker, first)})`;
  return [
    step('interpreter', true, `${executable}, Python ${python}, by ${sources.interpreter}`),
    step('user', true, `${user}, uid ${uid}`),
    step('working folder', true, cwd),
    step('environment', true, `of ${sources.env}`),
    ...FOLDER.flatMap((name) => folderStep(name, facts, worker, from)),
    ...set(WORDS).map((name) => step(name, true, from(name))),
    ...set(NUMBERS).map((name) => numberStep(name, env[name] ?? '', from(name))),
    ...set(FOLDERS).map((name) => foldersStep(name, facts, worker, from(name))),
    ...loggingSteps(facts, worker),
    ...configSteps(facts, worker),
  ];
}

const FLAGS: Readonly<Record<string, keyof ReturnType<typeof parseAzmlinfsrv>>> = {
  AZUREML_ENTRY_SCRIPT: 'entry_script',
  AZUREML_MODEL_DIR: 'model_dir',
  WORKER_COUNT: 'worker_count',
};

function originOf(name: string, worker: Worker, first: Environment | null): string {
  const { server, command, environ, env } = worker;
  const value = env[name];
  const flag = FLAGS[name];
  if (environ[name] !== value && derivedEnvironment(worker)[name] !== value)
    return 'set in the service’s own process, after its start';
  if (server === 'azmlinfsrv' && flag !== undefined && parseAzmlinfsrv(command.args)[flag] !== undefined)
    return `by azmlinfsrv’s --${flag}`;
  if (environ[name] !== value) return server === 'azmlinfsrv' ? 'azmlinfsrv’s default' : 'by gunicorn’s settings';
  if (first === null) return 'of the service’s process';
  return first[name] === value ? 'of the container' : 'set by what starts the service, not of the container';
}

function folderStep(
  name: (typeof FOLDER)[number],
  { folders, prefix }: EnvFacts,
  { env, cwd, server }: Worker,
  from: (name: string) => string,
): ProbeStep[] {
  const value = env[name];
  // Unset is fine: nothing says that this service needs it.
  if (value === undefined) return name === 'AZUREML_CONDA_ENVIRONMENT_PATH' ? [] : [step(name, true, 'not set')];
  const path = resolve(cwd, value);
  const isThere = folders[path] === true;
  const detail = `${from(name)}${isAbsolute(value) ? '' : `, that is ${path}`}${isThere ? '' : ', which is no folder'}`;
  if (name === 'AML_APP_ROOT' && !isThere && server === 'azmlinfsrv') {
    const hint = `azmlinfsrv looks for the entry script there: mount or copy the code to ${path}, or correct the variable`;
    return [step(name, false, detail, hint)];
  }
  if (name === 'AZUREML_CONDA_ENVIRONMENT_PATH' && isThere && !isWithin(prefix, path)) {
    const hint = `what is installed in ${path} is not seen: start the service with ${path}/bin/python, or install with this Python’s own pip`;
    return [step(name, false, `${detail}; the service’s Python is that of ${prefix}`, hint)];
  }
  return [step(name, true, detail)];
}

function numberStep(name: string, value: string, detail: string): ProbeStep {
  const isNumber = /^\s*[+]?\d+\s*$/.test(value);
  return isNumber ? step(name, true, detail) : step(name, false, detail, `the server wants a whole number in ${name}`);
}

function foldersStep(name: string, { folders }: EnvFacts, { env, cwd }: Worker, detail: string): ProbeStep {
  const gone = parts(env[name] ?? '').filter((path) => folders[resolve(cwd, path)] !== true);
  // Python's zip files are none, and an unused folder harms nobody.
  return step(name, true, gone.length === 0 ? detail : `${detail}; no folder: ${list(gone)}`);
}

function loggingSteps({ levels, logging }: EnvFacts, { server, env }: Worker): ProbeStep[] {
  const name = 'logging';
  if (logging !== null && 'problem' in logging) {
    const hint =
      'azmlinfsrv ends at its start by it: correct the file, or rename it where it is not meant for the server';
    return [
      step(name, false, `${logging.file} is read as the server’s logging configuration: ${logging.problem}`, hint),
    ];
  }
  const unused = server === 'azmlinfsrv' && env['AZUREML_LOG_LEVEL'] !== undefined;
  const note = unused ? '; AZUREML_LOG_LEVEL does not change the root logger' : '';
  // azmlinfsrv 1.5.1 gives the root logger a handler before it loads the entry script.
  const call = levels.find(({ forced }) => forced || server !== 'azmlinfsrv');
  if (call !== undefined) {
    const where = `${call.file}:${call.line}`;
    return [step(name, true, `${where} sets the root logger to ${call.level ?? 'a level that is computed'}${note}`)];
  }
  const level = logging?.rootLevel;
  if (logging !== null && level) return [step(name, true, `${logging.file} sets the root logger to ${level}${note}`)];
  const [idle] = levels;
  if (idle !== undefined) {
    const why = 'azmlinfsrv has given the root logger a handler, and basicConfig leaves it as it is then, at WARNING';
    const mend = `logging.getLogger().setLevel(logging.${idle.level ?? 'INFO'}) does what is meant`;
    return [step(name, true, `${idle.file}:${idle.line} changes nothing: ${why}; ${mend}${note}`)];
  }
  const setting = server === 'azmlinfsrv' ? 'getLogger().setLevel(logging.INFO)' : 'basicConfig(level=logging.INFO)';
  const mend = `logging.${setting} at the top of the entry script shows it`;
  const shown = server === 'azmlinfsrv' ? ', print() is shown' : '';
  return [step(name, true, `Python’s default, WARNING: logging.info() is dropped${shown}; ${mend}${note}`)];
}

/** Keys that azmlinfsrv knows (server/config.py, 1.5.1). */
const SERVER_KEYS = new Set([
  'AML_APP_ROOT',
  'AZUREML_SOURCE_DIRECTORY',
  'AZUREML_ENTRY_SCRIPT',
  'SERVICE_NAME',
  'WORKSPACE_NAME',
  'SERVICE_PATH_PREFIX',
  'SERVICE_VERSION',
  'SCORING_TIMEOUT_MS',
  'AZUREML_LOG_LEVEL',
  'AML_APP_INSIGHTS_ENABLED',
  'AML_APP_INSIGHTS_KEY',
  'AML_MODEL_DC_STORAGE_ENABLED',
  'APP_INSIGHTS_LOG_RESPONSE_ENABLED',
  'AML_CORS_ORIGINS',
  'AZUREML_MODEL_DIR',
  'HOSTNAME',
  'AZUREML_DEBUG_PORT',
]);

function configSteps({ config }: EnvFacts, { env }: Worker): ProbeStep[] {
  // A file that AZUREML_CONFIG_FILE names is meant for the server.
  if (config === null || env['AZUREML_CONFIG_FILE'] !== undefined) return [];
  const name = 'config.json';
  const detail = `${config.file} is read by azmlinfsrv as its own configuration`;
  if ('problem' in config) {
    const hint = 'the server ends at its start by it: rename the file, or make it a JSON object';
    return [step(name, false, `${detail}: ${config.problem}`, hint)];
  }
  const taken = config.keys.filter((key) => SERVER_KEYS.has(key));
  return [
    step(
      name,
      true,
      `${detail}; ${taken.length === 0 ? 'no key in it is the server’s' : `of it counts ${list(taken)}`}`,
    ),
  ];
}
