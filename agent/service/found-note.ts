/** Says how the service was found and what told of each fact about it. */
import type { FoundNote } from '../../shared/core/service.ts';
import { programName } from './argv.ts';
import type { FoundService } from './find.ts';
import type { RootChoice } from './root.ts';
import { isLaunchFolder } from './runit.ts';
import { userScript } from './user-script.ts';
import type { WorkerContext } from './worker.ts';

export interface NotedFacts {
  readonly found: FoundService | null;
  /** The last that could be read. */
  readonly worker: WorkerContext | null;
  readonly root: RootChoice;
  /** `--port` */
  readonly port: number | undefined;
}

export function foundNote({ found, worker, root, port }: NotedFacts): FoundNote {
  return {
    how: how(found, worker),
    port: port === undefined ? (found?.portSource ?? null) : 'given by --port or drydock.yaml',
    root: root.reason,
    entry: entry(worker),
    interpreter: worker?.sources.interpreter ?? null,
  };
}

function how(found: FoundService | null, worker: WorkerContext | null): string {
  const folder = found?.folder ?? null;
  if (found === null || found.master === null) {
    if (folder === null) return 'no scoring service was found';
    return isLaunchFolder(folder)
      ? 'the image’s own command, which has ended'
      : `the service of ${folder}, which is down`;
  }
  const name = worker === null ? `process ${found.master.pid}` : nameOf(worker);
  const { starter } = found;
  if (folder !== null && isLaunchFolder(folder)) return `${name}, run by Drydock in the place of PID 1`;
  if (folder !== null) {
    return `${name}, run by runit in ${folder}${starter === 'conda run' ? ' under conda run' : ''}`;
  }
  if (found.supervisor === 'pid1')
    return starter === null ? `${name}, PID 1` : `${name}, started by ${starter} (PID 1)`;
  return `${name}, process ${found.master.pid} without a supervisor`;
}

function nameOf({ server, command, application }: WorkerContext): string {
  if (server === 'azmlinfsrv') return server;
  const name = server === 'gunicorn' ? server : programName(command);
  return application === null ? name : `${name} with ${application.name}`;
}

function entry(worker: WorkerContext | null): string | null {
  const source = worker?.sources.entry ?? null;
  const script = worker?.entryScript ?? null;
  if (source === null || script === null || userScript(script) === script) return source;
  return `${source}, whose ${script} loads it`;
}
