/** Finds the scoring service by /proc: its master and workers, who supervises it, and where it listens. */
import type { ServiceState } from '../../shared/core/service.ts';
import { parseAzmlinfsrv, parseGunicorn, parsePython, serverKind } from './argv.ts';
import { listeners, processes, type Listener, type Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';
import { isRunsv, pickScoring, serviceFolder } from './runit.ts';
import { readWorker, titleCommand, type WorkerContext } from './worker.ts';

export interface FoundService {
  readonly master: Process | null;
  readonly workers: readonly Process[];
  readonly supervisor: ServiceState['supervisor'];
  /** runit's folder of the service; found even while the service is down. */
  readonly folder: string | null;
  readonly listener: Listener | null;
  /** Null while there is no master, or when it may not be read. */
  readonly worker: WorkerContext | null;
}

/** Keys of processes seen before. */
export interface Seen {
  has(key: string): boolean;
}

export const processKey = (process: Process): string => `${process.pid}/${process.startTicks}`;

const sameArgv = (a: Process, b: Process): boolean => a.argv.join('\0') === b.argv.join('\0');

function isGunicorn(process: Process): boolean {
  if (titleCommand(process, '') !== null) return true;
  const command = parsePython(process.argv);
  return command !== null && serverKind(command) !== 'other';
}

const isForkOf = (child: Process, parent: Process | undefined): boolean =>
  parent !== undefined &&
  (sameArgv(child, parent) || (titleCommand(child, '') !== null && titleCommand(parent, '') !== null));

/**
 * The gunicorn master, or null. A worker that lost its master looks like one: `orphans` (keys of workers seen before)
 * are none, and a child of runsv goes first.
 */
export function findMaster(all: ReadonlyMap<number, Process>, orphans: Seen): Process | null {
  const masters = [...all.values()].filter(
    (process) => isGunicorn(process) && !isForkOf(process, all.get(process.ppid)) && !orphans.has(processKey(process)),
  );
  return masters.find((process) => runsvAbove(process, all) !== null) ?? masters[0] ?? null;
}

export function workersOf(master: Process, all: ReadonlyMap<number, Process>): Process[] {
  return [...all.values()].filter((process) => process.ppid === master.pid && isForkOf(process, master));
}

/** Gunicorn workers whose master is gone: they hold the port and serve old code until their next request. */
export function orphansOf(all: ReadonlyMap<number, Process>, known: Seen): Process[] {
  return [...all.values()].filter(
    (process) => known.has(processKey(process)) && isGunicorn(process) && !isForkOf(process, all.get(process.ppid)),
  );
}

function runsvAbove(process: Process, all: ReadonlyMap<number, Process>): Process | null {
  for (let above = all.get(process.ppid); above !== undefined; above = all.get(above.ppid)) {
    if (isRunsv(above)) return above;
  }
  return null;
}

/** A Python server of another kind: the first Python program that listens. */
async function findOther(
  all: ReadonlyMap<number, Process>,
  listening: readonly Listener[],
  self: Self,
): Promise<Process | null> {
  for (const candidate of all.values()) {
    const command = parsePython(candidate.argv);
    if (command === null || /(^|\/)(conda|supervisord)$/.test(command.program.name)) continue;
    const sockets = (await readProcess(candidate.pid, self))?.sockets ?? [];
    if (listening.some(({ inode }) => sockets.includes(inode))) return candidate;
  }
  return null;
}

/** `previous` saves reading the worker again while the master is the same process with the same command line. */
export async function findService(self: Self, previous: FoundService | null, orphans: Seen): Promise<FoundService> {
  const all = processes();
  const listening = listeners();
  const kept = previous?.master ?? null;
  // A gunicorn that is down is still the service, whatever else listens.
  const isDown = previous !== null && previous.folder !== null && previous.worker?.server !== 'other';
  const master = findMaster(all, orphans) ?? (isDown ? null : await findOther(all, listening, self));
  if (master === null) return { ...(await findDown(all, previous, self)), master: null, workers: [], listener: null };
  const workers = isGunicorn(master) ? workersOf(master, all) : [master];
  if (previous !== null && kept !== null && processKey(kept) === processKey(master) && sameArgv(kept, master)) {
    const worker = previous.worker ?? (await readWorker(master, self));
    const listener = previous.listener ?? (await listenerOf(master, worker, listening, self));
    return { ...previous, master, workers, worker, listener };
  }
  const runsv = runsvAbove(master, all);
  const [worker, folder] = await Promise.all([
    readWorker(master, self),
    runsv === null ? null : serviceFolder(runsv, all, self),
  ]);
  return {
    master,
    workers,
    supervisor: runsv !== null ? 'runit' : master.pid === 1 ? 'pid1' : 'none',
    folder,
    listener: await listenerOf(master, worker, listening, self),
    worker,
  };
}

/** While it is down: the runit service that would run it. */
async function findDown(
  all: ReadonlyMap<number, Process>,
  previous: FoundService | null,
  self: Self,
): Promise<Pick<FoundService, 'supervisor' | 'folder' | 'worker'>> {
  if (previous !== null && previous.folder !== null) return previous;
  const folders = await Promise.all([...all.values()].filter(isRunsv).map((runsv) => serviceFolder(runsv, all, self)));
  const folder = pickScoring(folders.filter((path) => path !== null));
  return { supervisor: folder === null ? 'none' : 'runit', folder, worker: null };
}

async function listenerOf(
  master: Process,
  worker: WorkerContext | null,
  listening: readonly Listener[],
  self: Self,
): Promise<Listener | null> {
  const wanted = worker === null ? [] : portsOf(worker);
  const named = listening.find(({ port }) => wanted.includes(port));
  if (named !== undefined) return named;
  const sockets = (await readProcess(master.pid, self))?.sockets ?? [];
  return listening.find(({ inode }) => sockets.includes(inode)) ?? null;
}

/** Ports that the command line or the environment names; a configuration file may name others. */
function portsOf({ server, command, environ }: WorkerContext): readonly number[] {
  if (server === 'azmlinfsrv') return [Number(parseAzmlinfsrv(command.args).port ?? 5001)];
  const { ports } = parseGunicorn(command.args);
  if (ports.length > 0) return ports;
  return parseGunicorn((environ['GUNICORN_CMD_ARGS'] ?? '').split(/\s+/).filter(Boolean)).ports;
}
