/** What is needed to run Python as the scoring worker runs it: interpreter, environment, folder and user. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseGunicorn, parsePython, serverKind, type PythonCommand, type ServerKind } from './argv.ts';
import { azmlinfsrvEnvironment, azureEntryScript, moduleFiles, type Environment } from './environment.ts';
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
  /** The environment at exec, with which the server's own program is run. */
  readonly environ: Environment;
  /** What user code sees in `os.environ`: `environ` and what the server adds to it. */
  readonly env: Environment;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  /** Absolute path; null when it can't be told from the command line. */
  readonly entryScript: string | null;
}

/** Where the loader of Azure's old images lies; it loads the entry script, so it is none itself. */
const OLD_AZURE_SERVER = '/var/azureml-server/';

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
  const environ =
    titled === null || 'PATH' in inner.environ
      ? inner.environ
      : ((await readProcess(master.ppid, self))?.environ ?? {});
  const server = serverKind(command);
  const env = server === 'azmlinfsrv' ? azmlinfsrvEnvironment(environ, command.args, inner.cwd) : environ;
  const interpreter = interpreterPath(command.interpreter, environ, inner.cwd) ?? inner.exe;
  return {
    server,
    command,
    interpreter,
    pythonVersion: await versionOf(interpreter, owner),
    cwd: inner.cwd,
    environ,
    env,
    ...owner,
    user: userName(owner.uid),
    entryScript: entryScriptOf(server, command, env, inner.cwd),
  };
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

function entryScriptOf(server: ServerKind, command: PythonCommand, env: Environment, cwd: string): string | null {
  if (server === 'azmlinfsrv') return azureEntryScript(env);
  const app = appOf(server, command);
  if (app !== null) {
    const { chdir } = parseGunicorn(command.args);
    const folders = [resolve(cwd, chdir ?? '.'), ...(env['PYTHONPATH'] ?? '').split(delimiter).filter(isAbsolute)];
    const file = moduleFiles(app.split(':')[0] ?? app, folders).find(existsSync);
    if (file !== undefined && !file.startsWith(OLD_AZURE_SERVER)) return file;
    return [azureEntryScript(env)].find(existsSync) ?? null;
  }
  return server === 'other' && command.program.kind === 'script' ? resolve(cwd, command.program.name) : null;
}

/** `module:attribute` of the WSGI or ASGI application, where the command line names it. */
export function appOf(server: ServerKind, command: PythonCommand): string | null {
  if (server === 'gunicorn') return parseGunicorn(command.args).app;
  return server === 'other' ? (command.args.find((word) => /^[A-Za-z_][\w.]*:[A-Za-z_]\w*$/.test(word)) ?? null) : null;
}
