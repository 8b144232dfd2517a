/** What to do about a failure of the user's code: what the disk tells, else what the table of known failures says. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { explainFailure } from '../../shared/core/explain/explain.ts';
import type { Explanation } from '../../shared/core/explain/match.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import type { WorkerContext } from './worker.ts';

type Context = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'> & { readonly root: string };

export function hintFor(failure: PythonFailure, context: Context): string | undefined {
  return localHint(failure, context.root) ?? explanationOf(failure, context)?.mend;
}

/** Why it happened, where the table knows it and nothing on the disk tells more. */
export function causeOf(failure: PythonFailure, context: Context): string | undefined {
  return localHint(failure, context.root) === undefined ? explanationOf(failure, context)?.cause : undefined;
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

function localHint({ message }: PythonFailure, root: string): string | undefined {
  const missing = /^No module named '([\w.]+)'/.exec(message)?.[1];
  return missing === undefined ? undefined : localModule(missing, root);
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
