/** Where the server lets user code import from, beside what Python finds by itself. */
import { dirname, isAbsolute, resolve } from 'node:path';
import type { WorkerContext } from '../service/worker.ts';

export interface SearchPath {
  /** Before Python's own folders. */
  readonly first: readonly string[];
  /** Behind them. */
  readonly last: readonly string[];
  /** azmlinfsrv appends a folder of its own. */
  readonly azmlinfsrv: boolean;
}

type Worker = Pick<WorkerContext, 'server' | 'command' | 'env' | 'cwd' | 'application'>;

/**
 * gunicorn puts its working folder first (app/base.py, `chdir`), azmlinfsrv the app's folder last
 * (server/aml_blueprint.py); a script has its own folder, and `-m` the working folder.
 */
export function searchPath({ server, command, env, cwd, application }: Worker): SearchPath {
  const { kind, name } = command.program;
  const script = kind === 'script' && name.includes('/') ? [dirname(resolve(cwd, name))] : [];
  if (server === 'other') {
    const own = application?.folder ?? (kind === 'module' ? cwd : null);
    return { first: [...(own === null ? [] : [own]), ...script], last: [], azmlinfsrv: false };
  }
  const app = env['AML_APP_ROOT'];
  const source = env['AZUREML_SOURCE_DIRECTORY'];
  const azure =
    app === undefined || !isAbsolute(app) ? [] : [app, ...(source === undefined ? [] : [resolve(app, source)])];
  return { first: [application?.folder ?? cwd, ...script], last: azure, azmlinfsrv: server === 'azmlinfsrv' };
}
