/** Which script serves and how it was found; a mounted folder that the engine made; init(), run(), and whose they are. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import { azureEntryScript } from '../service/environment.ts';
import { mounts, type Mount } from '../service/procfs.ts';
import { isWithin } from '../service/root.ts';
import type { ShellContext } from '../service/worker.ts';
import { userScript } from '../service/user-script.ts';
import type { WorkerContext } from '../service/worker.ts';
import { askWorker, list, step, timed } from './ask.ts';
import { searchPath } from './search-path.ts';

const functionSchema = z.object({
  line: z.int(),
  /** The module that it is imported from. */
  from: z.string().nullable(),
  /** Arguments that a caller must give. */
  required: z.int(),
  decorated: z.boolean(),
  /** It takes `*`, `**` or positional-only arguments. */
  free: z.boolean(),
});
const factsSchema = z.object({
  kind: z.enum(['file', 'folder', 'missing', 'unreadable']),
  error: z.object({ type: z.string(), message: z.string(), line: z.int() }).nullable(),
  names: z.object({ init: functionSchema.nullable(), run: functionSchema.nullable() }),
  /** `from … import *` may bring more names. */
  stars: z.boolean(),
  /** It names a module `driver_module`, whose run() azmlinfsrv calls in the place of its own. */
  isDriver: z.boolean(),
  /** Whose run() it hands on. */
  module: z.string().nullable(),
  moduleFile: z.string().nullable(),
  /** Scripts under the root that have init() and run(). */
  others: z.array(z.string()),
  beside: z.array(z.string()).nullable(),
});

export type EntryFacts = z.infer<typeof factsSchema>;

/** A mount that holds the script, or would. */
export interface CodeMount extends Mount {
  readonly isEmpty: boolean;
}

export interface Script {
  readonly path: string;
  /** What named it, in words. */
  readonly source: string;
  readonly mount: CodeMount | null;
  /** That mounted it. */
  readonly engine: string;
  /** Azure's, which loads it. */
  readonly driver: string | null;
}

/** `engine` runs the container, as the console calls it: `docker: default`. */
export function probeEntry(kitDir: string, context: ShellContext, engine: string): Promise<ProbeReport> {
  const { worker } = context;
  if (worker === null) return timed('entry', () => Promise.resolve(explainWithout(context, engine)));
  const { entryScript, application } = worker;
  if (entryScript === null) {
    const detail =
      application === null
        ? `the command line of the service names no script: ${worker.command.program.name}`
        : `none: the service loads ${application.name} (${application.source}), which is no file under ${application.folder}`;
    return timed('entry', () => Promise.resolve([step('entry script', true, detail)]));
  }
  // Azure's driver is what Azure made of it; what can be wrong is in the author's.
  const path = userScript(entryScript);
  const script = {
    path,
    source: worker.sources.entry ?? 'the command line',
    mount: codeMount(path, mounts()),
    engine,
    driver: path === entryScript ? null : entryScript,
  };
  return askWorker(kitDir, context, {
    probe: 'entry',
    file: 'entry.py',
    facts: factsSchema,
    spec: (found, { cwd }) => ({ script: path, root: cwd, path: searchPath(found) }),
    explain: (facts, found) => explainEntry(facts, script, found),
  });
}

/** No service runs: what its container's environment says, and whether the folder is there. */
function explainWithout({ env }: ShellContext, engine: string): ProbeStep[] {
  const path = azureEntryScript(env);
  const hint = 'drydock run IMAGE keeps a service that fails at its start, and tells the cause';
  const steps = [step('entry script', false, `no scoring service runs; Azure’s servers would take ${path}`, hint)];
  const mount = codeMount(path, mounts());
  return mount === null ? steps : [...steps, mountStep(mount, engine, mount.isEmpty)];
}

/** The deepest mount at or above the path but the container's own root. */
export function codeMount(path: string, all: readonly Mount[]): CodeMount | null {
  const holding = all.filter(({ point }) => point !== '/' && isWithin(path, point));
  const mount = holding.sort((a, b) => b.point.length - a.point.length)[0];
  return mount === undefined ? null : { ...mount, isEmpty: isEmptyFolder(mount.point) };
}

function isEmptyFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory() && readdirSync(path).length === 0;
  } catch {
    return false; // what may not be read is not known to be empty
  }
}

type Worker = Pick<WorkerContext, 'server' | 'user' | 'application'>;

export function explainEntry(facts: EntryFacts, script: Script, worker: Worker): ProbeStep[] {
  const { path, source, mount, engine } = script;
  const steps = [fileStep(facts, script, worker)];
  const isThere = facts.kind === 'file';
  if (mount !== null) steps.push(mountStep(mount, engine, !isThere && (mount.isEmpty || facts.kind === 'folder')));
  if (!isThere) return steps;
  const { error } = facts;
  if (error !== null) {
    const hint = `mend line ${error.line} of ${path}`;
    const failed = step('compiles', false, `${path}:${error.line} ${error.type}: ${error.message}`, hint);
    return [...steps, { ...failed, place: { file: path, line: error.line } }];
  }
  steps.push(step('compiles', true, `${basename(path)} compiles with the service’s Python`));
  // A server of an application looks for that, and for no init().
  const { server, application } = worker;
  const isAzure = server === 'azmlinfsrv' || (server === 'gunicorn' && !source.startsWith(application?.name ?? ''));
  if (!isAzure) return steps;
  return [...steps, functionStep('init', facts, path), functionStep('run', facts, path), ...driverSteps(facts, script)];
}

function fileStep({ kind, others, beside }: EntryFacts, { path, source, driver }: Script, { user }: Worker): ProbeStep {
  const name = 'entry script';
  const named = `${path}, by ${driver === null ? source : `Azure’s driver ${driver} (${source})`}`;
  if (kind === 'file') return step(name, true, named);
  if (kind === 'unreadable') {
    const hint = `give ${user} the right to read it, and to enter the folders above it`;
    return step(name, false, `${named}: ${user} may not read it`, hint);
  }
  if (kind === 'folder')
    return step(name, false, `${named}, is a folder and no file`, 'name a file, or mount one there');
  const folder = dirname(path);
  const what = beside === null ? `there is no folder ${folder}` : `${folder} holds ${list(beside)}`;
  const [other] = others;
  const hint =
    other === undefined
      ? `put the script there, or name another one by AZUREML_ENTRY_SCRIPT or --entry_script`
      : `${list(others)} ${others.length === 1 ? 'has' : 'have'} init() and run(): name it by AZUREML_ENTRY_SCRIPT, relative to AML_APP_ROOT`;
  return step(name, false, `${named}, is not there; ${what}`, hint);
}

/** `made`: the script is not in it, and nothing else is. */
function mountStep({ point, source, isEmpty }: CodeMount, engine: string, made: boolean): ProbeStep {
  const detail = `${point} is mounted from ${source}`;
  if (!made) return step('mount', true, isEmpty ? `${detail}, and empty` : detail);
  return step(
    'mount',
    false,
    `${detail} on the machine of the engine (${engine}), which is empty: an engine makes an empty folder of a path that is not there`,
    `check that ${source} is on the machine of the engine (${engine}), since a remote engine and a dev container do not see this machine’s folders, and start the container again`,
  );
}

function functionStep(name: 'init' | 'run', { names, stars }: EntryFacts, path: string): ProbeStep {
  const found = names[name];
  if (found === null) {
    if (stars) return step(`${name}()`, true, 'may come by an import of everything (*); not looked at');
    const wanted = name === 'init' ? 'def init():' : 'def run(data):';
    return step(`${name}()`, false, `${path} has none`, `the server ends without it: add \`${wanted}\``);
  }
  const where = `${path}:${found.line}${found.from === null ? '' : `, from ${found.from}`}`;
  if (name === 'init' && found.required > 0)
    return step(
      `${name}()`,
      false,
      `${where} wants arguments`,
      'the server calls init() without any: give them defaults',
    );
  if (name === 'run' && found.free && !found.decorated) {
    return step(
      `${name}()`,
      false,
      `${where} takes *args, **kwargs or positional-only arguments`,
      'azmlinfsrv refuses them: name the parameter, `def run(data):`',
    );
  }
  return step(`${name}()`, true, where);
}

/** Whose run() answers, where the entry script only hands on. */
function driverSteps({ isDriver, module, moduleFile }: EntryFacts, { path }: Script): ProbeStep[] {
  if (module === null) return [];
  const where = moduleFile === null ? `module ${module}` : moduleFile;
  const detail = isDriver
    ? `azmlinfsrv calls run() of ${where} (its name here is driver_module): an edit of run() in ${path} changes nothing`
    : `run() hands on to ${where}: that is the one to edit`;
  return [step('driver', true, detail)];
}
