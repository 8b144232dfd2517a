/** What made the model files, and whether what is installed is that. No model is loaded. */
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { askWorker, list, step } from './ask.ts';
import { searchPath } from './search-path.ts';

const names = z.array(z.string());
const modelSchema = z.object({
  file: z.string(),
  /** The versions of scikit-learn that it holds. */
  sklearn: names,
  /** Top-level modules of its classes. */
  packages: names,
  /** Modules of its classes that this Python does not have. */
  missing: names,
  /** A class of the program that wrote it. */
  main: z.string().nullable(),
  /** It was read to its end; else the problem says why not. */
  whole: z.boolean(),
  problem: z.string().nullable(),
});
const factsSchema = z.object({
  models: z.array(modelSchema),
  descriptions: z.array(z.object({ file: z.string(), versions: z.record(z.string(), z.string()) })),
  all: z.boolean(),
  python: z.string(),
  installed: z.record(z.string(), z.string().nullable()),
});

export type ModelFacts = z.infer<typeof factsSchema>;
type Model = z.infer<typeof modelSchema>;

export function probeModel(kitDir: string, context: ShellContext): Promise<ProbeReport> {
  return askWorker(kitDir, context, {
    probe: 'model',
    file: 'model.py',
    facts: factsSchema,
    spec: (worker, { cwd }) => ({ folders: modelFolders(worker, cwd), path: searchPath(worker) }),
    explain: explainModel,
  });
}

/** Where models lie: Azure's two places, and the project's own folder. */
function modelFolders({ env, cwd }: WorkerContext, root: string): string[] {
  const app = env['AML_APP_ROOT'];
  return [
    ...(env['AZUREML_MODEL_DIR'] === undefined ? [] : [resolve(cwd, env['AZUREML_MODEL_DIR'])]),
    ...(app !== undefined && isAbsolute(app) ? [join(app, 'azureml-models')] : []),
    root,
  ];
}

/** What MLmodel calls a version, and the package that has it. */
const MLMODEL: readonly (readonly [RegExp, string])[] = [
  [/^sklearn\.sklearn_version$/, 'scikit-learn'],
  [/^xgboost\.xgb_version$/, 'xgboost'],
  [/^lightgbm\.lgb_version$/, 'lightgbm'],
  [/^pytorch\.pytorch_version$/, 'torch'],
];

export function explainModel(
  { models, descriptions, all, python, installed }: ModelFacts,
  { interpreter }: Pick<WorkerContext, 'interpreter'>,
): ProbeStep[] {
  const steps = [
    ...models.flatMap((model) => modelSteps(model, installed, interpreter)),
    ...descriptions.flatMap(({ file, versions }) => {
      const told = Object.entries(versions);
      const wrong = told.flatMap(([key, version]) => {
        const name = MLMODEL.find(([pattern]) => pattern.test(key))?.[1];
        return name === undefined ? [] : versionSteps(file, name, version, installed[name] ?? null, interpreter);
      });
      const said = told.filter(([key]) => key.endsWith('version')).map(([key, version]) => `${key} ${version}`);
      return wrong.length > 0 ? wrong : [step('MLmodel', true, `${file}: ${list(said)}; this is Python ${python}`)];
    }),
  ];
  if (steps.length === 0) steps.push(step('model files', true, 'no pickle, joblib or MLmodel file was found'));
  if (!all) steps.push(step('not looked at', true, 'there are more files than this probe reads'));
  return steps;
}

function modelSteps(model: Model, installed: ModelFacts['installed'], interpreter: string): ProbeStep[] {
  const { file, sklearn, packages, missing, main, whole, problem } = model;
  // A file that nothing reads harms nobody; what is known of it is told.
  if (problem !== null && packages.length === 0 && main === null)
    return [step('model file', true, `${file}: not read: ${problem}`)];
  const present = installed['scikit-learn'] ?? null;
  const steps = sklearn.flatMap((version) => versionSteps(file, 'scikit-learn', version, present, interpreter));
  const absent = missing.filter((module) => present !== null || !/^sklearn\b/.test(module));
  if (absent.length > 0) {
    const tops = list([...new Set(absent.map((module) => module.split('.')[0] ?? module))]);
    const hint = `install what the model was made with (${tops}) in that version; a module of your own has to be importable by the same name`;
    steps.push(step('model’s modules', false, `${file} needs ${list(absent)}, which this Python does not have`, hint));
  }
  if (main !== null) {
    const hint = `define ${main} in a module that both training and service import, and write the model anew`;
    steps.push(
      step(
        'model’s modules',
        false,
        `${file} needs ${main} of __main__, the program that wrote it; the service’s is another`,
        hint,
      ),
    );
  }
  if (steps.length > 0) return steps;
  const made =
    sklearn.length === 0
      ? `holds classes of ${list(packages)}`
      : `made with scikit-learn ${list(sklearn)}, as installed (${present ?? ''})`;
  return [step('model file', true, `${file}: ${made}${whole ? '' : `; read in part: ${problem ?? ''}`}`)];
}

const release = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Nothing where it is the same release: patches of one read each other's models. */
function versionSteps(
  file: string,
  name: string,
  version: string,
  installed: string | null,
  interpreter: string,
): ProbeStep[] {
  if (installed !== null && release(installed) === release(version)) return [];
  const is = installed === null ? `${name} is not installed` : `${name} ${installed} is installed`;
  const hint = `in the container's shell: ${interpreter} -m pip install ${name}==${version}, and name it in the requirements; or write the model anew with ${installed ?? 'the version that you install'}`;
  return [step(`model’s ${name}`, false, `${file} was made with ${name} ${version}, and ${is}`, hint)];
}
