/** Which modules the entry script needs, where each is found, and what its import says. */
import { basename, dirname, relative } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import { hintFor } from '../service/hints.ts';
import { isWithin } from '../service/root.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { userScript } from '../service/user-script.ts';
import { askWorker, list, step } from './ask.ts';
import { parseFacts, runPython } from '../service/python.ts';
import { searchPath } from './search-path.ts';

const moduleSchema = z.object({
  module: z.string(),
  file: z.string(),
  line: z.int(),
  /** `load`: loading the script imports it; `call`: init() or run() does; `maybe`: in a branch, a try, a function. */
  need: z.enum(['load', 'call', 'maybe']),
  kind: z.enum(['python', 'package', 'local', 'provided', 'missing']),
  origin: z.string().nullable(),
  /** The part of the name that is not found. */
  missing: z.string().nullable(),
  /** Files and folders of that name under the root. */
  near: z.array(z.string()),
});
const factsSchema = z.object({
  modules: z.array(moduleSchema),
  /** The user's files that were read. */
  files: z.array(z.string()),
  /** Relative imports in a file that is loaded without a package. */
  relative: z.array(z.object({ file: z.string(), line: z.int(), need: z.string() })),
  /** The code changes sys.path or sys.modules while it runs. */
  touchesPath: z.boolean(),
  searched: z.array(z.string()),
  shadowed: z.array(z.object({ module: z.string(), own: z.string(), taken: z.string(), isServers: z.boolean() })),
  failed: z.array(z.object({ module: z.string(), type: z.string(), message: z.string() })),
  /** For want of time. */
  untried: z.array(z.string()),
});

export type ImportFacts = z.infer<typeof factsSchema>;
type Module = z.infer<typeof moduleSchema>;

const FILE = 'imports.py';
/** What exists only inside of azmlinfsrv (server/__init__.py). */
const PROVIDED = ['azureml.contrib.services'];

const triesSchema = factsSchema.pick({ failed: true, untried: true });

/** `imported`: modules that a boot of the code imports meanwhile, and that need no try of their own. */
export async function probeImports(
  kitDir: string,
  context: ShellContext,
  imported?: Promise<readonly string[]>,
): Promise<ProbeReport> {
  return askWorker(kitDir, context, {
    probe: 'imports',
    file: FILE,
    facts: factsSchema,
    spec: (worker, { cwd }) => ({
      script: worker.entryScript === null ? '' : userScript(worker.entryScript),
      root: cwd,
      path: searchPath(worker),
      provided: worker.server === 'azmlinfsrv' ? PROVIDED : [],
      tries: imported === undefined,
    }),
    explain: async (facts, worker, { cwd }) => {
      const tried = imported === undefined ? facts : await triesOf(kitDir, facts, worker, new Set(await imported));
      return explainImports(tried, worker, cwd);
    },
  });
}

/** With the tries of those that are needed and were not imported. */
async function triesOf(
  kitDir: string,
  facts: ImportFacts,
  worker: WorkerContext,
  imported: ReadonlySet<string>,
): Promise<ImportFacts> {
  const names = facts.modules
    .filter(({ kind, need, module }) => kind === 'package' && need !== 'maybe' && !imported.has(module))
    .map(({ module }) => module);
  if (names.length === 0) return facts;
  const { answer } = await runPython(kitDir, FILE, worker, { names, path: searchPath(worker) });
  return { ...facts, ...(parseFacts(triesSchema, answer) ?? { untried: names }) };
}

type Worker = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'>;

export function explainImports(facts: ImportFacts, worker: Worker, root: string): ProbeStep[] {
  const { modules, files, touchesPath } = facts;
  if (files.length === 0) {
    const detail = worker.entryScript === null ? 'the service names no script' : `${worker.entryScript} can’t be read`;
    return [step('imports', true, `not looked at: ${detail}`)];
  }
  const of = (kind: Module['kind']): string[] => modules.filter((one) => one.kind === kind).map(({ module }) => module);
  const missing = modules.filter(({ kind }) => kind === 'missing');
  const needed = missing.filter(({ need }) => need !== 'maybe' && !touchesPath);
  const others = missing.filter((one) => !needed.includes(one));
  const steps = [
    step('modules of yours', true, list(files.map((file) => (isWithin(file, root) ? relative(root, file) : file)))),
  ];
  if (of('provided').length > 0) steps.push(step('of the server', true, `${list(of('provided'))}: azmlinfsrv has it`));
  steps.push(...facts.relative.filter(({ need }) => need !== 'maybe').map(relativeStep));
  steps.push(...facts.shadowed.map(shadowStep));
  steps.push(...unique(needed).map((one) => missingStep(one, facts, worker, root)));
  if (others.length > 0) {
    const why = touchesPath ? 'the code changes its import path while it runs' : 'in a branch, a try or a function';
    steps.push(step('perhaps missing', true, `${list(others.map(({ module }) => module))}: not found, and ${why}`));
  }
  steps.push(...facts.failed.map((failure) => failedStep(failure, modules, worker, root)));
  const well = modules
    .filter(({ kind, need, module }) => kind === 'package' && need !== 'maybe' && !facts.untried.includes(module))
    .map(({ module }) => module)
    .filter((module) => !facts.failed.some((failure) => failure.module === module));
  if (well.length > 0) steps.push(step('packages', true, `${list(well)}: imported in a process of its own`));
  if (facts.untried.length > 0) steps.push(step('not tried', true, `${list(facts.untried)}: time was up`));
  return steps;
}

/** One a missing part. */
const unique = (modules: readonly Module[]): Module[] =>
  modules.filter((one, at) => modules.findIndex(({ missing }) => missing === one.missing) === at);

function missingStep(
  { module, missing, file, line, near, need }: Module,
  { searched }: ImportFacts,
  worker: Worker,
  root: string,
): ProbeStep {
  const when = need === 'call' ? ', when init() or run() is called' : '';
  const [found] = near;
  const folders = searched.filter((folder) => folder !== '');
  const detail = `${file}:${line} imports ${module}${when}; ${missing ?? module} is not found in ${list(folders)}`;
  const place = { file, line };
  if (found === undefined) {
    return { ...step(module, false, detail, failureHint(`No module named '${module}'`, worker, root)), place };
  }
  const name = basename(found).replace(/\.py$/, '');
  const top = module.split('.')[0] ?? module;
  const hint =
    name === top
      ? `${found} is there, and ${dirname(found)} is not on the import path: import it by its package, put that folder into PYTHONPATH, or move it to ${folders[0] ?? root}`
      : `${found} is there: names count by case and sign`;
  return { ...step(module, false, detail, hint), place };
}

const failureHint = (message: string, worker: Worker, root: string): string | undefined =>
  hintFor({ type: 'ModuleNotFoundError', message, traceback: '', frames: [] }, { ...worker, root });

function failedStep(
  { module, type, message }: ImportFacts['failed'][number],
  modules: readonly Module[],
  worker: Worker,
  root: string,
): ProbeStep {
  const place = modules.find((one) => one.module === module);
  const at = place === undefined ? '' : `${place.file}:${place.line} imports it; `;
  const hint =
    hintFor({ type, message, traceback: '', frames: [] }, { ...worker, root }) ??
    'the package is there and does not fit: reinstall it in the container’s shell for this Python, or install the version that the code was written for';
  const failed = step(module, false, `${at}${type}: ${message}`, hint);
  return place === undefined ? failed : { ...failed, place: { file: place.file, line: place.line } };
}

const relativeStep = ({ file, line }: ImportFacts['relative'][number]): ProbeStep => ({
  ...step(
    'relative import',
    false,
    `${file}:${line} imports relatively, and the server loads the file without a package`,
    'write the module’s name without the leading dot',
  ),
  place: { file, line },
});

function shadowStep({ module, own, taken, isServers }: ImportFacts['shadowed'][number]): ProbeStep {
  const detail = `import ${module} takes ${taken}, not ${own}`;
  if (!isServers) return step('same name', true, detail);
  return step('same name', false, detail, `${module} is a module of azmlinfsrv’s own: give ${own} another name`);
}
