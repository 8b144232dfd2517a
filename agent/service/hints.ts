/** What to do about a failure of the user's code: what the disk tells, else what the table of known failures says. */
import { existsSync, readdirSync, statSync, type Dirent } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { explainFailure } from '../../shared/core/explain/explain.ts';
import type { Explanation } from '../../shared/core/explain/match.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import { isWithin } from './root.ts';
import type { WorkerContext } from './worker.ts';

type Context = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'> & { readonly root: string };

export function hintFor(failure: PythonFailure, context: Context): string | undefined {
  return localHint(failure, context) ?? explanationOf(failure, context)?.mend;
}

/** Why it happened, where the table knows it and nothing on the disk tells more. */
export function causeOf(failure: PythonFailure, context: Context): string | undefined {
  return localHint(failure, context) === undefined ? explanationOf(failure, context)?.cause : undefined;
}

function explanationOf(failure: PythonFailure, { interpreter, cwd, entryScript, env }: Context): Explanation | null {
  const modelFolders = [env['AZUREML_MODEL_DIR'] ?? '', join(env['AML_APP_ROOT'] ?? '', 'azureml-models')];
  return explainFailure(failure, {
    interpreter,
    cwd,
    modelFolders,
    ...(entryScript === null ? {} : { entryScript }),
  });
}

function localHint({ message }: PythonFailure, context: Context): string | undefined {
  const module = /^No module named '([\w.]+)'/.exec(message)?.[1];
  if (module !== undefined) return localModule(module, context.root);
  const path = /(?:No such file or directory|Not a directory): '([^']+)'/.exec(message)?.[1];
  return path === undefined ? undefined : modelFile(resolve(context.cwd, path), context);
}

/** A file that code looks for in a model's folder: what is there instead, and how its path is written. */
function modelFile(path: string, { env, cwd }: Context): string | undefined {
  const { AZUREML_MODEL_DIR: dir = '', AML_APP_ROOT: appRoot = '' } = env;
  const modelDir = dir === '' ? null : resolve(cwd, dir);
  const folders = [...(modelDir === null ? [] : [modelDir]), resolve(cwd, appRoot, 'azureml-models')];
  const top = folders.find((folder) => isWithin(path, folder) && existsSync(folder));
  if (top === undefined) return undefined;
  const nearest = nearestFolder(dirname(path));
  const entries = entriesOf(nearest);
  if (entries === null) return undefined;
  const there = `${nearest} holds ${listing(entries)}`;
  const found = findFile(top, basename(path));
  if (found === path) return undefined; // it has come meanwhile
  if (found === undefined) return `${there}; no ${basename(path)} lies in ${top}`;
  const isInModelDir = modelDir !== null && isWithin(found, modelDir);
  const line = isInModelDir ? fromModelDir(relative(modelDir, found).split(sep)) : JSON.stringify(found);
  return `${there}; ${basename(path)} lies at ${found}: use ${line}`;
}

/** The path of what lies in AZUREML_MODEL_DIR, in Python. */
export function fromModelDir(steps: readonly string[]): string {
  const quoted = steps.map((name) => (/['\\]/.test(name) ? JSON.stringify(name) : `'${name}'`));
  return `os.path.join(${["os.environ['AZUREML_MODEL_DIR']", ...quoted].join(', ')})`;
}

/** Upwards from `path`. */
function nearestFolder(path: string): string {
  try {
    if (statSync(path).isDirectory()) return path;
  } catch {
    // it is not there
  }
  return nearestFolder(dirname(path));
}

/** Names that are listed. */
const MAX_LISTED = 20;

function listing(entries: readonly Dirent[]): string {
  const names = entries.slice(0, MAX_LISTED).map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  const more = entries.length > MAX_LISTED ? [`${entries.length - MAX_LISTED} more`] : [];
  return entries.length === 0 ? 'nothing' : [...names, ...more].join(', ');
}

/** Folders that are looked through. */
const MAX_FOLDERS = 200;

/** The uppermost file or folder of that name; links are not followed. */
function findFile(top: string, name: string): string | undefined {
  const folders = [top];
  for (let at = 0; at < folders.length && at < MAX_FOLDERS; at++) {
    const folder = folders[at] ?? top;
    const entries = entriesOf(folder) ?? [];
    if (entries.some((entry) => entry.name === name)) return join(folder, name);
    folders.push(...entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name)));
  }
  return undefined;
}

/** Null where the agent may not look: a mount of the service's user is closed even to root. */
function entriesOf(folder: string): Dirent[] | null {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return null;
  }
}

/** A module of the user's own that is there and is not found. */
function localModule(name: string, root: string): string | undefined {
  const top = name.split('.')[0] ?? name;
  const local = [join(root, `${top}.py`), join(root, top)].find(existsSync);
  if (local !== undefined) {
    return `${local} is there, and ${dirname(local)} is not on the service's import path: import it as part of a package, or add the folder to sys.path`;
  }
  const found = ['src', 'code', 'lib', 'helpers', 'utils']
    .map((folder) => join(root, folder))
    .find((folder) => existsSync(join(folder, `${top}.py`)));
  return found === undefined ? undefined : `${top}.py lies in ${found}, which is not on the service's import path`;
}
