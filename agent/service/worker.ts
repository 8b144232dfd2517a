/** What is needed to run Python as the scoring worker runs it: interpreter, environment, folder and user. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parsePython, serverKind, type PythonCommand, type ServerKind } from './argv.ts';
import { findApplication, findEntry, type Application } from './entry.ts';
import { azmlinfsrvEnvironment, toldEnvironment, type Environment } from './environment.ts';
import { gunicornSettings } from './gunicorn.ts';
import { COPY_VARIABLE } from './last-good.ts';
import { ownerOf, userName, type Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';

export interface WorkerContext {
  readonly server: ServerKind;
  readonly command: PythonCommand;
  /** Absolute path. */
  readonly interpreter: string;
  /** `3.11.2`; null when the interpreter did not say. */
  readonly pythonVersion: string | null;
  readonly cwd: string;
  /** It runs from the last good copy of its sources, not from the disk. */
  readonly isPast: boolean;
  /** The environment at exec, with which the server's own program is run. */
  readonly environ: Environment;
  /** What user code sees in `os.environ`: `environ` and what the server adds to it. */
  readonly env: Environment;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  /** Absolute path; null when it can't be told from the command line. */
  readonly entryScript: string | null;
  readonly application: Application | null;
  /** What told of the interpreter, of the entry script and of `env`, in words. */
  readonly sources: { readonly interpreter: string; readonly entry: string | null; readonly env: string };
}

/** What a shell or a probe runs with. */
export interface ShellContext {
  /** Null when no scoring service was found: the environment is then PID 1's. */
  readonly worker: WorkerContext | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
}

/** uid and gid for spawn; none where they are ours already, since then the supplementary groups stay. */
export function identity(worker: { uid: number; gid: number }): { uid?: number; gid?: number } {
  return worker.uid === process.geteuid?.() ? {} : { uid: worker.uid, gid: worker.gid };
}

/** Null when the process may not be read (see read-worker.ts) or is no Python. */
export async function readWorker(master: Process, self: Self): Promise<WorkerContext | null> {
  const inner = await readProcess(master.pid, self);
  const owner = ownerOf(master.pid);
  if (inner === null || owner === null) return null;
  const titled = titleCommand(master, inner.exe);
  const command = titled ?? parsePython(master.argv);
  if (command === null) return null;
  // setproctitle writes its title over the environment; the parent's is the nearest that is left.
  const { [COPY_VARIABLE]: copy, ...environ } =
    titled === null || 'PATH' in inner.environ
      ? inner.environ
      : ((await readProcess(master.ppid, self))?.environ ?? {});
  const server = serverKind(command);
  const { cwd } = inner;
  const env = derivedEnvironment({ server, command, environ, cwd });
  const named = titled === null ? interpreterPath(command.interpreter, environ, cwd) : undefined;
  const interpreter = named ?? inner.exe;
  const launch = { server, command, environ, env, cwd };
  const entry = findEntry(launch);
  return {
    ...launch,
    isPast: copy !== undefined,
    interpreter,
    pythonVersion: await versionOf(interpreter, owner),
    ...owner,
    user: userName(owner.uid),
    entryScript: entry?.script ?? null,
    application: findApplication(launch),
    sources: {
      interpreter: named === undefined ? `/proc/${master.pid}/exe` : `the command line of process ${master.pid}`,
      entry: entry?.source ?? null,
      env: `process ${master.pid} at its start${ADDED[server]}`,
    },
  };
}

const ADDED: Readonly<Record<ServerKind, string>> = {
  azmlinfsrv: ', with what azmlinfsrv sets itself by its rules',
  gunicorn: ', with what gunicorn’s settings set',
  other: '',
};

/** With what the service tells of its environment instead of what follows from its start. */
export function asTold(worker: WorkerContext, environ: Environment): WorkerContext {
  const env = toldEnvironment(worker.environ, environ);
  const entry = findEntry({ ...worker, env });
  const sources = { ...worker.sources, entry: entry?.source ?? null, env: 'the service’s own process, its os.environ' };
  return { ...worker, env, entryScript: entry?.script ?? null, sources };
}

/** What follows from how a service was started. */
export function derivedEnvironment({
  server,
  command,
  environ,
  cwd,
}: Pick<WorkerContext, 'server' | 'command' | 'environ' | 'cwd'>): Environment {
  if (server === 'azmlinfsrv') return azmlinfsrvEnvironment(environ, command.args, cwd);
  return server === 'gunicorn' ? { ...environ, ...gunicornSettings(command, environ, cwd).env } : environ;
}

/** With the package setproctitle installed gunicorn's command line is only `gunicorn: master [module:app]`. */
export function titleCommand(process: Process, exe: string): PythonCommand | null {
  const app = /^gunicorn: (?:master|worker) \[(.+)\]/.exec(process.argv[0] ?? '')?.[1];
  return app === undefined
    ? null
    : { interpreter: exe, flags: [], program: { kind: 'module', name: 'gunicorn' }, args: [app] };
}

/** As the command names it and not as /proc/PID/exe does: a venv's python is a link, and the venv is found by its path. */
function interpreterPath(name: string, environ: Environment, cwd: string): string | undefined {
  if (isAbsolute(name) || name.includes('/')) return [resolve(cwd, name)].find(existsSync);
  return (environ['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(existsSync);
}

/** Runs as the worker's user: an interpreter that the user may write must never run as root. */
async function versionOf(interpreter: string, owner: { uid: number; gid: number }): Promise<string | null> {
  const program = 'import sys; print("%d.%d.%d" % sys.version_info[:3])';
  try {
    const { stdout } = await promisify(execFile)(interpreter, ['-I', '-S', '-c', program], {
      ...identity(owner),
      cwd: '/',
      env: {},
      timeout: 10_000,
    });
    return /^\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? null;
  } catch {
    return null;
  }
}
