/** Which script a server loads, by its command line, its configuration and its environment. */
import { existsSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import { optionValue, parseAzmlinfsrv, programName, type PythonCommand, type ServerKind } from './argv.ts';
import { azureEntryScript, moduleFiles, type Environment } from './environment.ts';
import { gunicornSettings } from './gunicorn.ts';

export interface Entry {
  /** Absolute path. */
  readonly script: string;
  /** What named it, in words. */
  readonly source: string;
}

export interface Application {
  /** `module:attribute` */
  readonly name: string;
  /** Where its module is looked for first. */
  readonly folder: string;
  readonly source: string;
}

export interface Launch {
  readonly server: ServerKind;
  readonly command: PythonCommand;
  /** At exec. */
  readonly environ: Environment;
  /** What user code sees. */
  readonly env: Environment;
  readonly cwd: string;
}

/** Where the loader of Azure's old images lies; it loads the entry script, so it is none itself. */
const OLD_AZURE_SERVER = '/var/azureml-server/';

export function findEntry(launch: Launch): Entry | null {
  const { server, command, env, cwd } = launch;
  if (server === 'azmlinfsrv') return { script: azureEntryScript(env), source: azureSource(launch) };
  const app = findApplication(launch);
  if (app !== null) {
    const folders = [app.folder, ...pythonPath(env)];
    const script = moduleFiles(app.name.split(':')[0] ?? app.name, folders).find(existsSync);
    const azure = env['AML_SERVER_ROOT'] ?? OLD_AZURE_SERVER;
    if (script !== undefined && !script.startsWith(resolve(azure))) {
      return { script, source: `${app.name} on ${app.source}` };
    }
    return (
      [azureEntryScript(env)].filter(existsSync).map((path) => ({ script: path, source: azureSource(launch) }))[0] ??
      null
    );
  }
  if (server !== 'other') return null;
  const named = command.args.find((word) => /^[^-].*\.py$/.test(word)); // `fastapi run app/main.py`
  if (SERVERS.has(programName(command))) {
    return named === undefined ? null : { script: resolve(cwd, named), source: 'the command line' };
  }
  if (command.program.kind === 'script') {
    return { script: resolve(cwd, command.program.name), source: 'the command line' };
  }
  const { name } = command.program;
  const module = moduleFiles(name, [cwd, ...pythonPath(env)]).find(existsSync);
  if (module === undefined) return null; // one of Python's own or of a package: `-m http.server`
  const main = module.replace(/__init__\.py$/, '__main__.py');
  return { script: main, source: `-m ${name}` };
}

/** Programs that serve an application that is not theirs; the rest of Python's servers are scripts of the user's. */
export const SERVERS: ReadonlySet<string> = new Set(
  'uvicorn hypercorn daphne granian waitress-serve waitress flask fastapi mlflow'.split(' '),
);

/** The WSGI or ASGI application, where anything names it. */
export function findApplication({ server, command, environ, cwd }: Launch): Application | null {
  if (server === 'azmlinfsrv') return null;
  if (server === 'gunicorn') {
    const { app, appSource, chdir } = gunicornSettings(command, environ, cwd);
    return app === undefined ? null : { name: app, folder: resolve(cwd, chdir ?? '.'), source: appSource ?? '' };
  }
  const isFlask = programName(command) === 'flask';
  const flask = isFlask ? optionValue(command.args, '--app', '-A') : null;
  const name =
    flask ??
    command.args.find((word) => /^[A-Za-z_][\w.]*:[A-Za-z_]\w*$/.test(word)) ??
    (isFlask ? environ['FLASK_APP'] : undefined);
  if (name === undefined) return null;
  return {
    name: name.replace(/\.py$/, ''),
    folder: resolve(cwd, optionValue(command.args, '--app-dir') ?? '.'),
    source: command.args.some((word) => word.includes(name)) ? 'the command line' : 'FLASK_APP',
  };
}

const pythonPath = (env: Environment): string[] =>
  (env['PYTHONPATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));

function azureSource({ server, command, environ, env }: Launch): string {
  const flag = server === 'azmlinfsrv' ? parseAzmlinfsrv(command.args).entry_script : undefined;
  if (flag !== undefined) return '--entry_script';
  if (environ['AZUREML_ENTRY_SCRIPT'] !== undefined) return 'AZUREML_ENTRY_SCRIPT';
  return `Azure's default, ${join(env['AML_APP_ROOT'] ?? '', basename(azureEntryScript(env)))}`;
}
