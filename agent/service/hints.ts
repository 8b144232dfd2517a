/** What to do about the failures that people meet most. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PythonFailure } from '../../shared/core/service.ts';
import { isWithin } from './root.ts';
import type { WorkerContext } from './worker.ts';

/** Names that everybody imports by the same words. */
const USUAL_IMPORTS: Readonly<Record<string, string>> = {
  np: 'import numpy as np',
  pd: 'import pandas as pd',
  tf: 'import tensorflow as tf',
  plt: 'import matplotlib.pyplot as plt',
  nn: 'from torch import nn',
  Model: 'from azureml.core.model import Model',
  Path: 'from pathlib import Path',
  ...Object.fromEntries(
    [
      'os',
      're',
      'sys',
      'json',
      'glob',
      'time',
      'math',
      'logging',
      'joblib',
      'pickle',
      'numpy',
      'pandas',
      'torch',
      'sklearn',
    ].map((name) => [name, `import ${name}`]),
  ),
};

/** Packages whose module has another name than what pip installs. */
const PIP_NAMES: Readonly<Record<string, string>> = {
  sklearn: 'scikit-learn',
  cv2: 'opencv-python-headless',
  PIL: 'pillow',
  yaml: 'pyyaml',
  skimage: 'scikit-image',
  dotenv: 'python-dotenv',
  dateutil: 'python-dateutil',
  'azureml.core': 'azureml-core',
  'inference_schema.schema_decorators': 'inference-schema',
};

type Context = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'> & { readonly root: string };

export function hintFor(failure: PythonFailure, context: Context): string | undefined {
  const { type, message } = failure;
  const quoted = /'([^']+)'/.exec(message)?.[1];
  switch (type) {
    case 'ModuleNotFoundError':
      return quoted === undefined ? undefined : missingModule(quoted, context);
    case 'ImportError':
      return /undefined symbol|GLIBC|cannot open shared object|binary incompatib/.test(message)
        ? 'a compiled package does not fit: reinstall it in the container’s shell for this Python and its numpy'
        : 'the package or module is there, and the name is not in it: compare the installed version with the one the code was written for';
    case 'NameError':
    case 'UnboundLocalError': {
      const line = quoted === undefined ? undefined : USUAL_IMPORTS[quoted];
      return line === undefined ? 'define or import the name above this line' : `add the line \`${line}\``;
    }
    case 'SyntaxError':
    case 'IndentationError':
    case 'TabError': {
      const last = failure.frames.at(-1);
      return last === undefined ? undefined : `mend line ${last.line} of ${last.file}`;
    }
    case 'FileNotFoundError':
      return quoted === undefined ? undefined : missingFile(quoted, context);
    case 'PermissionError':
      return `the service's user may not do this: check owner and mode of ${quoted ?? 'the file'}`;
    case 'ModelNotFoundException':
    case 'WebserviceException':
      return 'run the model-path probe: it shows where Model.get_model_path looks and what lies there';
    case 'ValueError':
      return /invalid literal for int\(\)/.test(message) && failure.traceback.includes('get_latest_version')
        ? 'the model’s folder holds an entry that is no version number: the model-path probe names it'
        : undefined;
    case 'KeyError':
      return quoted !== undefined && /environ/.test(failure.traceback)
        ? `the service's environment has no ${quoted}: set it where the container is started`
        : undefined;
    case 'SystemExit':
      return 'the code calls sys.exit(), which ends the service: raise an exception instead';
    case 'UserScriptError':
      return 'the entry script needs init() and run(data)';
    case 'OSError':
      return /Address already in use/.test(message)
        ? 'the code takes a port when it starts, and the serving worker holds it: bind it in one process only'
        : undefined;
    case 'MemoryError':
      return 'the container’s memory does not hold the model a second time';
    default:
      return undefined;
  }
}

function missingModule(name: string, { root, interpreter }: Context): string {
  const top = name.split('.')[0] ?? name;
  const local = [join(root, `${top}.py`), join(root, top)].find(existsSync);
  if (local !== undefined) {
    return `${local} is there, and ${dirname(local)} is not on the service's import path: import it as part of a package, or add the folder to sys.path`;
  }
  const found = ['src', 'code', 'lib', 'helpers', 'utils']
    .map((folder) => join(root, folder))
    .find((folder) => existsSync(join(folder, `${top}.py`)));
  if (found !== undefined) return `${top}.py lies in ${found}, which is not on the service's import path`;
  const pip = PIP_NAMES[name] ?? PIP_NAMES[top] ?? top;
  return `in the container's shell: ${interpreter} -m pip install ${pip}; then name it in the requirements or conda file`;
}

function missingFile(path: string, { env, cwd, entryScript }: Context): string {
  if (path === entryScript)
    return 'the entry script is not where the server looks: check AZUREML_ENTRY_SCRIPT, AML_APP_ROOT and the mounts';
  const models = [env['AZUREML_MODEL_DIR'], join(env['AML_APP_ROOT'] ?? '', 'azureml-models')];
  if (path.includes('azureml-models') || models.some((folder) => folder && isWithin(path, folder))) {
    return 'this is in the model folder: run the model-path probe to see what lies there';
  }
  return path.startsWith('/')
    ? `nothing lies at ${path} in the container`
    : `the path is relative to the service's working folder ${cwd}`;
}
