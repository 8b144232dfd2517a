/** What made the model files, and whether what is installed is that. No model is loaded. */
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { askWorker, list, step } from './ask.ts';
import { searchPath } from './search-path.ts';

const names = z.array(z.string());
const boosterSchema = z.discriminatedUnion('package', [
  z.object({
    package: z.literal('xgboost'),
    /** `0` before 1.0; of the binary format without a patch. */
    version: z.string(),
    format: z.enum(['pickle', 'JSON', 'UBJSON', 'binary']),
  }),
  z.object({
    package: z.literal('lightgbm'),
    /** Of its text's format. */
    version: z.enum(['v2', 'v3', 'v4']),
    format: z.enum(['pickle', 'text']),
  }),
]);
const modelSchema = z.object({
  file: z.string(),
  /** The versions of scikit-learn that it holds. */
  sklearn: names,
  boosters: z.array(boosterSchema),
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
  /** Boosters in files of their own. */
  natives: z.array(z.object({ file: z.string(), booster: boosterSchema })),
  descriptions: z.array(z.object({ file: z.string(), versions: z.record(z.string(), z.string()) })),
  all: z.boolean(),
  python: z.string(),
  installed: z.record(z.string(), z.string().nullable()),
});

export type ModelFacts = z.infer<typeof factsSchema>;
type Model = z.infer<typeof modelSchema>;
type Booster = z.infer<typeof boosterSchema>;
type Installed = ModelFacts['installed'];

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
  { models, natives, descriptions, all, python, installed }: ModelFacts,
  { interpreter }: Pick<WorkerContext, 'interpreter'>,
): ProbeStep[] {
  const steps = [
    ...models.flatMap((model) => modelSteps(model, installed, interpreter)),
    ...natives.flatMap(({ file, booster }) => {
      const wrong = boosterSteps(file, booster, installed, interpreter);
      return wrong.length > 0
        ? wrong
        : [step('model file', true, `${file}: made with ${boosterFits(booster, installed)}`)];
    }),
    ...descriptions.flatMap(({ file, versions }) => {
      const told = Object.entries(versions);
      const wrong = told.flatMap(([key, version]) => {
        const name = MLMODEL.find(([pattern]) => pattern.test(key))?.[1];
        if (name === undefined) return [];
        return name === 'xgboost'
          ? // MLflow lets xgboost save its model, and pickles none.
            boosterSteps(file, { package: name, version, format: 'JSON' }, installed, interpreter)
          : releaseSteps(file, exactly(name, version), installed, interpreter);
      });
      const said = told.filter(([key]) => key.endsWith('version')).map(([key, version]) => `${key} ${version}`);
      return wrong.length > 0 ? wrong : [step('MLmodel', true, `${file}: ${list(said)}; this is Python ${python}`)];
    }),
  ];
  if (steps.length === 0) steps.push(step('model files', true, 'no pickle, joblib or MLmodel file was found'));
  if (!all) steps.push(step('not looked at', true, 'there are more files than this probe reads'));
  return steps;
}

function modelSteps(model: Model, installed: Installed, interpreter: string): ProbeStep[] {
  const { file, sklearn, boosters, packages, missing, main, whole, problem } = model;
  // A file that nothing reads harms nobody; what is known of it is told.
  if (problem !== null && packages.length === 0 && main === null)
    return [step('model file', true, `${file}: not read: ${problem}`)];
  const steps = [
    ...sklearn.flatMap((version) => releaseSteps(file, exactly('scikit-learn', version), installed, interpreter)),
    ...boosters.flatMap((booster) => boosterSteps(file, booster, installed, interpreter)),
  ];
  // Of what is not installed at all the step of its version tells.
  const told = [
    ...(sklearn.length > 0 && !installed['scikit-learn'] ? ['sklearn'] : []),
    ...boosters.flatMap(({ package: name }) => (installed[name] ? [] : [name])),
  ];
  const absent = missing.filter((module) => !told.includes(module.split('.')[0] ?? module));
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
  const fits = [
    ...(sklearn.length === 0
      ? []
      : [`scikit-learn ${list(sklearn)}, as installed (${installed['scikit-learn'] ?? ''})`]),
    ...boosters.map((booster) => boosterFits(booster, installed)),
  ];
  const made = fits.length === 0 ? `holds classes of ${list(packages)}` : `made with ${fits.join(' and ')}`;
  return [step('model file', true, `${file}: ${made}${whole ? '' : `; read in part: ${problem ?? ''}`}`)];
}

/** What made a model: its name and version in words, and what pip calls it. */
interface Maker {
  readonly name: string;
  readonly version: string;
  readonly wanted: string;
}

const exactly = (name: string, version: string): Maker => ({ name, version, wanted: `${name}==${version}` });

/** Of LightGBM 2.0.12, 2.1.2, 2.2.0 and 2.2.3 (v2), 2.3.0, 2.3.1, 3.0.0 and 3.3.5 (v3), 4.0.0, 4.6.0 and 4.7.0 (v4). */
const LIGHTGBM: Readonly<Record<'v2' | 'v3' | 'v4', Omit<Maker, 'name'>>> = {
  v2: { version: '2.0 to 2.2', wanted: "'lightgbm>=2,<2.3'" },
  v3: { version: '2.3 to 3.3', wanted: "'lightgbm>=2.3,<4'" },
  v4: { version: '4.0 or later', wanted: "'lightgbm>=4'" },
};

function makerOf({ package: name, version, format }: Booster): Maker {
  if (name === 'lightgbm') return { name, ...LIGHTGBM[version] };
  if (version === '0') return { name, version: 'before 1.0', wanted: "'xgboost<1'" };
  return format === 'binary' ? { name, version, wanted: `'${name}==${version}.*'` } : exactly(name, version);
}

/**
 * xgboost promises that later versions read the models that it saves, and nothing of pickles ("A note on backward
 * compatibility of models and memory snapshots" in https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).
 * An earlier one may read a later model and answer otherwise: 3.0.5 does with those of 3.1.0, and says nothing.
 */
function boosterSteps(file: string, booster: Booster, installed: Installed, interpreter: string): ProbeStep[] {
  const maker = makerOf(booster);
  const { package: name, version, format } = booster;
  const failed = [versionStep(file, maker, installed, interpreter)];
  const present = installed[name] ?? null;
  if (present === null) return failed;
  // Its pickle keeps the text by another key since 4.0, which earlier versions miss.
  if (name === 'lightgbm') return format === 'pickle' && version === 'v4' && isBefore(present, '4.0') ? failed : [];
  // https://xgboost.readthedocs.io/en/stable/changes/v3.1.0.html
  if (format === 'binary' && !isBefore(present, '3.1')) {
    const detail = `${file} was made with xgboost ${maker.version}, in its old binary format, which 3.1 left out, and xgboost ${present} is installed`;
    const hint = `in the container's shell: ${interpreter} -m pip install 'xgboost<3.1', and name it in the requirements; or load the model with that, and save it as model.ubj`;
    return [step(stepName(name), false, detail, hint)];
  }
  if (format !== 'pickle') return isBefore(present, version) ? failed : [];
  return version === '0' && isBefore(present, '1.0') ? [] : releaseSteps(file, maker, installed, interpreter);
}

/** Of one for which there is no step. */
function boosterFits(booster: Booster, installed: Installed): string {
  const { name, version } = makerOf(booster);
  const present = installed[name] ?? '';
  if (booster.package === 'lightgbm')
    return `${name} ${version} by the format of its text, ${booster.version} (${present} is installed)`;
  return booster.format === 'pickle'
    ? `${name} ${version}, as installed (${present})`
    : `${name} ${version}, as ${booster.format}, which ${present}, as installed, reads`;
}

const release = (version: string): string => version.split('.').slice(0, 2).join('.');

/** By their releases. */
const isBefore = (version: string, other: string): boolean =>
  release(version).localeCompare(release(other), 'en', { numeric: true }) < 0;

/** Nothing where it is the same release: patches of one read each other's models. */
function releaseSteps(file: string, maker: Maker, installed: Installed, interpreter: string): ProbeStep[] {
  const present = installed[maker.name] ?? null;
  const isSame = present !== null && release(present) === release(maker.version);
  return isSame ? [] : [versionStep(file, maker, installed, interpreter)];
}

const stepName = (name: string): string => `model’s ${name}`;

function versionStep(
  file: string,
  { name, version, wanted }: Maker,
  installed: Installed,
  interpreter: string,
): ProbeStep {
  const present = installed[name] ?? null;
  const is = present === null ? `${name} is not installed` : `${name} ${present} is installed`;
  const hint = `in the container's shell: ${interpreter} -m pip install ${wanted}, and name it in the requirements; or write the model anew with ${present ?? 'the version that you install'}`;
  return step(stepName(name), false, `${file} was made with ${name} ${version}, and ${is}`, hint);
}
