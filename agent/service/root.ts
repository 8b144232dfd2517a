/** Which folder holds the code that the user edits, and why. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { Environment } from './environment.ts';

export interface RootChoice {
  readonly path: string;
  /** A sentence for the user. */
  readonly reason: string;
}

export interface RootFacts {
  /** `--root`. */
  readonly given: string | undefined;
  readonly entryScript: string | null;
  readonly env: Environment;
  readonly cwd: string | null;
  readonly mounts: readonly string[];
}

const AZURE_APP = '/var/azureml-app';
/** Where Azure puts the script that it generates for an MLflow model without code of its user's, and its name. */
const MLFLOW_NO_CODE = '/var/mlflow_resources';
const MLFLOW_SCRIPT = 'mlflow_score_script.py';
/** What marks the top of a Python project. */
const MARKS = ['.git', 'pyproject.toml', 'setup.py', 'requirements.txt', 'conda.yaml', 'conda.yml', 'environment.yml'];
/** Folders that hold a system and never a project. */
const SYSTEM = new Set([
  '/',
  '/usr',
  '/usr/bin',
  '/usr/local',
  '/usr/local/bin',
  '/bin',
  '/opt',
  '/var',
  '/home',
  '/etc',
  '/tmp',
]);

export const isWithin = (path: string, folder: string): boolean => {
  const rest = relative(folder, path);
  return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`));
};

export const givenRoot = (path: string): RootChoice => ({
  path: resolve(path),
  reason: 'given by --root or drydock.yaml',
});

export function chooseRoot(facts: RootFacts): RootChoice {
  const { given, entryScript, env, cwd } = facts;
  if (given !== undefined) return givenRoot(given);
  const appRoot = env['AML_APP_ROOT'] === undefined ? null : resolve(env['AML_APP_ROOT']);
  if (entryScript !== null) {
    if (isWithin(entryScript, MLFLOW_NO_CODE) || basename(entryScript) === MLFLOW_SCRIPT) {
      const model = mlflowModel(env['AZUREML_MODEL_DIR'], cwd);
      if (model !== null) {
        return { path: model, reason: `the MLflow model's folder: the entry script ${entryScript} is generated` };
      }
    }
    const mount = codeMount(entryScript, appRoot, facts.mounts);
    if (mount !== null) return { path: mount, reason: `the mounted folder that holds the entry script ${entryScript}` };
    const project = projectFolder(entryScript, appRoot, cwd);
    if (project !== null) return { path: project, reason: `the folder of the entry script ${entryScript}` };
  }
  if (appRoot !== null && existsSync(appRoot)) return { path: appRoot, reason: 'AML_APP_ROOT of the service' };
  if (cwd !== null && !SYSTEM.has(cwd)) return { path: cwd, reason: 'the working folder of the service' };
  return { path: AZURE_APP, reason: 'the default of Azure ML; no scoring service was found' };
}

/** The deepest folder mount above the script. A mount above AML_APP_ROOT holds more than code. */
function codeMount(entryScript: string, appRoot: string | null, mounts: readonly string[]): string | null {
  const holding = mounts.filter(
    (point) =>
      point !== entryScript &&
      !SYSTEM.has(point) &&
      isWithin(entryScript, point) &&
      (appRoot === null || point === appRoot || !isWithin(appRoot, point) || isWithin(point, AZURE_APP)),
  );
  return holding.sort((a, b) => b.length - a.length)[0] ?? null;
}

function projectFolder(entryScript: string, appRoot: string | null, cwd: string | null): string | null {
  // AML_APP_ROOT may be a sub-folder of the project, whose helpers then lie above it.
  if (appRoot !== null && appRoot !== AZURE_APP && isWithin(appRoot, AZURE_APP) && isWithin(entryScript, appRoot)) {
    return join(AZURE_APP, relative(AZURE_APP, entryScript).split(sep)[0] ?? '');
  }
  if (appRoot !== null && !SYSTEM.has(appRoot) && isWithin(entryScript, appRoot)) return appRoot;
  for (let folder = dirname(entryScript); !SYSTEM.has(folder); folder = dirname(folder)) {
    if (MARKS.some((mark) => existsSync(join(folder, mark)))) return folder;
  }
  if (cwd !== null && !SYSTEM.has(cwd) && isWithin(entryScript, cwd)) return cwd;
  return [dirname(entryScript)].find((folder) => !SYSTEM.has(folder)) ?? null;
}

/** The folder with the file `MLmodel`: AZUREML_MODEL_DIR itself or the one folder in it. */
function mlflowModel(modelDir: string | undefined, cwd: string | null): string | null {
  if (modelDir === undefined) return null;
  const folder = resolve(cwd ?? '/', modelDir);
  const within = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return [folder, ...within].find((path) => existsSync(join(path, 'MLmodel'))) ?? null;
}
