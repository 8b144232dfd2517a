/** Explains what `Model.get_model_path` finds in the serving worker, step by step (azureml-core's model.py, 1.17 to 1.61). */
import { z } from 'zod';
import { explainFailure } from '../../shared/core/explain/explain.ts';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { askWorker, list, step } from './ask.ts';
import { fromModelDir } from '../service/hints.ts';
import { parseFacts, runPython } from '../service/python.ts';

const names = z.array(z.string());
const callSchema = z.object({
  file: z.string(),
  line: z.int(),
  model: z.string().nullable(),
  version: z.int().nullable(),
});
const errorSchema = z.object({ type: z.string(), message: z.string() });
const factsSchema = z.object({
  executable: z.string(),
  python: z.string(),
  cwd: z.string(),
  azureml: z.union([z.object({ version: z.string(), modelsDir: z.string() }), errorSchema]),
  /** Where it looks first, absolute. */
  folder: z.string(),
  there: names.nullable(),
  models: z.record(z.string(), z.record(z.string(), names.nullable())),
  /** AML_APP_ROOT, and what its `azureml-models` holds. */
  appRoot: z.object({ path: z.string(), models: names.nullable() }).nullable(),
  calls: z.array(callSchema),
  call: callSchema.nullable(),
  name: z.string().nullable(),
  source: z.enum(['asked', 'call', 'only']).nullable(),
  version: z.int().nullable(),
  /** The call makes it while it runs; the answer is that for none. */
  isVersionLater: z.boolean(),
  /** Arguments of the call, as Python writes them, that azureml-core does not take. */
  refused: z.object({ model: z.string().nullable(), version: z.string().nullable() }),
  answer: z
    .union([
      z.object({ path: z.string(), absolute: z.string(), isFolder: z.boolean(), log: names }),
      errorSchema.extend({ log: names }),
    ])
    .nullable(),
  modelDir: z.object({ path: z.string(), absolute: z.string(), there: names.nullable() }).nullable(),
});

export type ModelPathFacts = z.infer<typeof factsSchema>;

export interface ModelPathQuestion {
  /** Else the one that the code asks for, else the only one on disk. */
  readonly model?: string | undefined;
  readonly version?: number | undefined;
}

export function probeModelPath(
  kitDir: string,
  context: ShellContext,
  question: ModelPathQuestion,
): Promise<ProbeReport> {
  return askWorker(kitDir, context, {
    probe: 'model-path',
    file: FILE,
    facts: factsSchema,
    spec: (worker) => specOf(context, worker, question),
    explain: (facts, { user }) => explain(facts, user),
  });
}

/** Null when the worker's Python did not answer. */
export async function modelPathFacts(
  kitDir: string,
  context: ShellContext,
  worker: WorkerContext,
  question: ModelPathQuestion,
): Promise<ModelPathFacts | null> {
  const { answer } = await runPython(kitDir, FILE, worker, specOf(context, worker, question));
  return parseFacts(factsSchema, answer);
}

const FILE = 'model_path.py';

const specOf = ({ cwd }: ShellContext, worker: WorkerContext, { model, version }: ModelPathQuestion): object => ({
  entry: worker.entryScript,
  root: cwd,
  model: model ?? null,
  version: version ?? null,
});

export function explain(facts: ModelPathFacts, user: string): ProbeStep[] {
  const steps = [step('interpreter', true, `${facts.executable}, Python ${facts.python}, as ${user}`)];
  // A v2 script reads AZUREML_MODEL_DIR itself; azureml-core need not even be there.
  const isAsked = facts.source === 'asked' || facts.calls.length > 0;
  if (!isAsked) {
    steps.push(step('call', true, 'the code does not call Model.get_model_path'));
    const dir = modelDirStep(facts, true);
    return [...steps, dir];
  }
  steps.push(libraryStep(facts));
  if (steps.at(-1)?.ok === false) return [...steps, modelDirStep(facts, false)];
  steps.push(folderStep(facts));
  steps.push(nameStep(facts), ...lookup(facts));
  return [...steps, modelDirStep(facts, false)];
}

function libraryStep({ azureml }: ModelPathFacts): ProbeStep {
  if ('version' in azureml) return step('azureml-core', true, `version ${azureml.version}`);
  const missing = azureml.type === 'ModuleNotFoundError';
  return step(
    'azureml-core',
    false,
    `${azureml.type}: ${azureml.message}`,
    missing
      ? 'python -m pip install azureml-core in the container’s shell, and name it in the requirements; or read AZUREML_MODEL_DIR, which needs no package'
      : (knownMend(azureml) ??
          'azureml-core is there and can’t be imported: look at the package that the message names'),
  );
}

function folderStep({ folder, there, cwd }: ModelPathFacts): ProbeStep {
  const detail = `${folder} (working folder ${cwd})`;
  if (there !== null) return step('models folder', true, `${detail} holds ${list(there)}`);
  // Not a fault yet: ./NAME is looked at next.
  return step('models folder', true, `${detail} is not there`);
}

const placeOf = (call: ModelPathFacts['call']): string => `${call?.file ?? ''}:${call?.line ?? 0}`;

function nameStep({ name, source, call, calls, refused }: ModelPathFacts): ProbeStep {
  const by = `by the call in ${placeOf(call)}`;
  if (refused.model !== null) {
    const hint = 'give the call the name of a model, a text: Model.get_model_path("NAME")';
    return step('model name', false, `model_name is ${refused.model}, ${by}`, hint);
  }
  if (name === null) {
    const at = calls[0];
    return step(
      'model name',
      false,
      at === undefined ? 'not known' : `the call in ${at.file}:${at.line} makes the name while it runs`,
      'name the model: drydock probe model-path --name MODEL',
    );
  }
  const from = { asked: 'as asked for', call: by, only: 'the only one there' };
  return step('model name', true, `${name}, ${from[source ?? 'asked']}`);
}

/** As the table of known failures has it. */
const knownMend = ({ type, message }: { readonly type: string; readonly message: string }): string | undefined =>
  explainFailure({ type, message, traceback: '', frames: [] })?.mend;

/** The branches of `_get_model_path_local`, each with what it found. */
function lookup(facts: ModelPathFacts): ProbeStep[] {
  const { name, refused, answer, folder } = facts;
  const steps = refused.version === null && name !== null ? versionSteps(facts, name) : refusedSteps(facts);
  if (answer === null) return steps;
  if ('path' in answer) {
    const kind = `${answer.absolute}, a ${answer.isFolder ? 'folder' : 'file'}`;
    const relative =
      answer.path === answer.absolute ? '' : `; it is returned as ${answer.path}, relative to the working folder`;
    const isFallback = answer.log.some((line) => line.startsWith('Checking root for'));
    const found = isFallback
      ? `${kind}, found in the working folder and not in ${folder}${relative}`
      : `${kind}${relative}`;
    return [...steps, step('path', true, found), logStep(answer.log)];
  }
  const isOpen = name !== null && steps.every(({ ok }) => ok);
  const hint = isOpen ? failureHint(facts, name, answer) : undefined;
  return [...steps, step('path', false, `${answer.type}: ${answer.message}`, hint), logStep(answer.log)];
}

function refusedSteps({ refused: { version }, call }: ModelPathFacts): ProbeStep[] {
  if (version === null) return [];
  const number = /^'\s*(\d+)\s*'$/.exec(version)?.[1];
  const hint = `${number === undefined ? 'give a whole number' : `write version=${number}, without quotes`}, or leave the version out: then the highest is taken`;
  return [step('version', false, `version is ${version}, by the call in ${placeOf(call)}; only an int will do`, hint)];
}

function versionSteps({ folder, models, version, isVersionLater, answer }: ModelPathFacts, name: string): ProbeStep[] {
  const versions = models[name];
  if (versions === undefined) return [];
  const numbers = Object.keys(versions);
  const has = `${folder}/${name} holds ${list(numbers)}`;
  const wrong = version === null ? numbers.filter((entry) => !/^\s*[+-]?\d+\s*$/.test(entry)) : [];
  if (wrong.length > 0) {
    const hint = `remove ${wrong.join(', ')} from ${folder}/${name}: it may hold only folders named by numbers`;
    return [step('version', false, `${has}; ${list(wrong)} is no version number`, hint)];
  }
  if (version === null && numbers.length === 0)
    return [step('version', false, has, `put the model's file into ${folder}/${name}/1/`)];
  const chosen = version ?? Math.max(...numbers.map(Number));
  const entries = versions[String(chosen)];
  if (entries !== undefined) {
    const highest = isVersionLater
      ? 'the highest number: the call makes its version while it runs'
      : 'the highest number';
    const taken = step('version', true, `${has}; ${chosen} is taken, ${version === null ? highest : 'asked for'}`);
    return [taken, entryStep(`${folder}/${name}/${chosen}`, entries)];
  }
  const missed = `${has}; ${chosen} is asked for and not there`;
  if (answer !== null && 'path' in answer) return [step('version', true, `${missed}, so ./${name} is looked for`)];
  return [
    step('version', false, missed, `versions there: ${list(numbers)}; name one of them, or leave the version out`),
  ];
}

/** Lines of azureml's that are shown. */
const MAX_LOG = 20;

function logStep(log: readonly string[]): ProbeStep {
  const more = log.length > MAX_LOG ? [`… and ${log.length - MAX_LOG} more`] : [];
  const detail = log.length === 0 ? 'no line' : [...log.slice(0, MAX_LOG), ...more].join('\n');
  // Of a server that has set up logging already, basicConfig(level=…) changes nothing.
  const hint =
    "for these lines in the service's own log: logging.basicConfig(); logging.getLogger('azureml.core.model').setLevel(logging.DEBUG), before the call";
  return step('azureml’s DEBUG log', true, detail, hint);
}

function entryStep(path: string, entries: readonly string[] | null): ProbeStep {
  const found = entries ?? [];
  if (entries !== null && found.length === 1) return step('entry', true, `${path} holds ${list(found)}`);
  if (entries === null)
    return step('entry', false, `${path} is no folder that can be read`, 'it has to be a folder with one entry');
  const hidden = found.filter((name) => name.startsWith('.'));
  const hint =
    found.length === 0
      ? `put the model's file or folder into ${path}`
      : hidden.length > 0 && found.length - hidden.length === 1
        ? `remove ${list(hidden)}: hidden files count`
        : `leave one file or folder in ${path}; several files belong into one folder`;
  return step('entry', false, `${path} holds ${found.length} entries: ${list(found)}; it must hold exactly one`, hint);
}

function failureHint(
  facts: ModelPathFacts,
  name: string,
  answer: { type: string; message: string },
): string | undefined {
  const { models, folder, modelDir, cwd, azureml, appRoot } = facts;
  if (answer.type !== 'ModelNotFoundException' && answer.type !== 'WebserviceException') return knownMend(answer);
  const known = Object.keys(models);
  const near = known.find((model) => model.toLowerCase() === name.toLowerCase());
  if (near !== undefined && near !== name) return `the model there is called ${near}: names count by case`;
  if (known.length > 0)
    return `models there: ${list(known)}; use one of these names, or put ${name} into ${folder}/${name}/1/`;
  const isRelative = 'version' in azureml && !azureml.modelsDir.startsWith('/');
  if (isRelative && appRoot?.models?.includes(`${name}/`)) {
    return `${name} lies in ${appRoot.path}/azureml-models, and azureml-core ${azureml.version} looks from the working folder, ${cwd}: start the service in ${appRoot.path}, or install azureml-core 1.21 or later, which goes by AML_APP_ROOT`;
  }
  if (modelDir?.there) {
    const [entry = name] = modelDir.there.filter((found) => !found.startsWith('.'));
    return `this container has its model in AZUREML_MODEL_DIR, where get_model_path never looks: use ${fromModelDir([entry.replace(/\/$/, '')])}`;
  }
  return `put the model into ${folder}/${name}/1/, or mount it there; ${isRelative ? 'the working folder' : 'AML_APP_ROOT'} decides where ${folder} is`;
}

/** `matters` when the code has no other way to its model. Unset is fine otherwise. */
function modelDirStep({ modelDir, models, folder }: ModelPathFacts, matters: boolean): ProbeStep {
  const name = 'AZUREML_MODEL_DIR';
  if (modelDir === null) {
    const there = Object.keys(models);
    const detail = there.length === 0 ? 'not set' : `not set; ${folder} holds ${list(there)}`;
    return step(name, true, detail);
  }
  const where = modelDir.path === modelDir.absolute ? modelDir.path : `${modelDir.path} (that is ${modelDir.absolute})`;
  if (modelDir.there !== null) return step(name, true, `${where} holds ${list(modelDir.there)}`);
  const hint = 'no folder lies there: check the mount, or the value that the container is started with';
  return step(name, !matters, `${where} is not there`, matters ? hint : undefined);
}
