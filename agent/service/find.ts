/** Finds the scoring service by /proc: its master and workers, who supervises it, and where it listens. */
import type { ServiceState } from '../../shared/core/service.ts';
import { basename } from 'node:path';
import { optionValue, parseAzmlinfsrv, parsePython, programName, serverKind } from './argv.ts';
import { SERVERS } from './entry.ts';
import { gunicornSettings } from './gunicorn.ts';
import { listeners, processes, type Listener, type Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';
import { isRunsv, pickScoring, serviceFolder } from './runit.ts';
import { readWorker, titleCommand, type WorkerContext } from './worker.ts';

export interface FoundService {
  readonly master: Process | null;
  readonly workers: readonly Process[];
  readonly supervisor: ServiceState['supervisor'];
  /** What PID 1 is where it is not the service: `runsvdir`, `conda run`, `tini`. */
  readonly starter: string | null;
  /** runit's folder of the service; found even while the service is down. */
  readonly folder: string | null;
  readonly listener: Listener | null;
  /** What told of the listener's port, in words. */
  readonly portSource: string | null;
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

/** Its forks, and what Python's multiprocessing spawned for it (uvicorn's `--workers` and `--reload`). */
export function workersOf(master: Process, all: ReadonlyMap<number, Process>): Process[] {
  return [...all.values()].filter(
    (process) => process.ppid === master.pid && (isForkOf(process, master) || isSpawned(process)),
  );
}

const isSpawned = ({ argv }: Process): boolean =>
  argv.some((word) => word.startsWith('from multiprocessing.spawn import spawn_main'));

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

/**
 * Whether the container ends with the process: it is PID 1, or PID 1 only started it and waits (`conda run`, a shell,
 * a small init).
 */
function endsContainer(master: Process, all: ReadonlyMap<number, Process>): boolean {
  let process: Process | undefined = master;
  while (process !== undefined && process.pid !== 1) {
    process = all.get(process.ppid);
    if (process !== undefined && !isStarter(process)) return false;
  }
  return process !== undefined;
}

/** What PID 1 is when it is not the service itself, in words; null when it is. */
export function starterOf(master: Process, all: ReadonlyMap<number, Process>): string | null {
  const first = all.get(1);
  if (first === undefined || first.pid === master.pid) return null;
  return isConda(first) ? 'conda run' : basename(first.argv[0] ?? '');
}

const isConda = (process: Process): boolean => {
  const command = parsePython(process.argv);
  return command !== null && /^(conda|mamba)$/.test(programName(command));
};

const isStarter = (process: Process): boolean =>
  isConda(process) ||
  /^(ba|da|z|k|a)?sh$|^(tini|tini-static|dumb-init|docker-init|catatonit|micromamba)$/.test(
    basename(process.argv[0] ?? '').replace(/^-/, ''),
  );

/** Python programs that listen and are never the scoring service. */
const NO_SERVICE = /(^|[/.])(conda|mamba|supervisord|jupyter[\w-]*|ipykernel\w*|debugpy[/.]adapter)(\/|\.py)?$/;

/** A Python server of another kind that listens: one that is known to serve others' applications goes first. */
async function findOther(
  all: ReadonlyMap<number, Process>,
  self: Self,
  may: (process: Process) => boolean,
): Promise<Process | null> {
  const programs = [...all.values()].flatMap((process) => {
    const command = parsePython(process.argv);
    return command === null || NO_SERVICE.test(command.program.name) || !may(process)
      ? []
      : [{ process, known: SERVERS.has(programName(command)) }];
  });
  const listening = programs.length === 0 ? [] : listeners();
  for (const { process } of [...programs.filter(({ known }) => known), ...programs.filter(({ known }) => !known)]) {
    const sockets = (await readProcess(process.pid, self))?.sockets ?? [];
    if (listening.some(({ inode }) => sockets.includes(inode))) return process;
  }
  return null;
}

/** `previous` saves reading the worker again while the master is the same process with the same command line. */
export async function findService(self: Self, previous: FoundService | null, orphans: Seen): Promise<FoundService> {
  const all = processes();
  const kept = previous?.master ?? null;
  const now = kept === null ? undefined : all.get(kept.pid);
  const still = kept !== null && now !== undefined && processKey(kept) === processKey(now) && sameArgv(kept, now);
  // A gunicorn that is down is still the service, whatever else listens. One that nobody has seen yet is what is supervised.
  const { folder = null, worker: last = null } = previous ?? {};
  const isDown = folder !== null && last !== null && last.server !== 'other';
  const may = (process: Process): boolean => folder === null || last !== null || runsvAbove(process, all) !== null;
  const gunicorn = findMaster(all, orphans);
  // To ask every Python program for its sockets costs a helper each: not while the one that was found lives.
  const master = gunicorn ?? (still ? now : isDown ? null : await findOther(all, self, may));
  if (master === null) return { ...(await findDown(all, previous, self)), ...NOBODY };
  const forks = workersOf(master, all);
  const workers = isGunicorn(master) || forks.length > 0 ? forks : [master];
  if (previous !== null && still && master.pid === kept.pid) {
    const worker = previous.worker ?? (await readWorker(master, self));
    const seen = previous.listener === null ? await listenerOf(master, worker, self) : {};
    return { ...previous, master, workers, worker, ...seen };
  }
  const runsv = runsvAbove(master, all);
  const [worker, supervised] = await Promise.all([
    readWorker(master, self),
    runsv === null ? null : serviceFolder(runsv, all, self),
  ]);
  return {
    master,
    workers,
    supervisor: runsv !== null ? 'runit' : endsContainer(master, all) ? 'pid1' : 'none',
    starter: starterOf(master, all),
    folder: supervised,
    ...(await listenerOf(master, worker, self)),
    worker,
  };
}

const NOBODY = { master: null, workers: [], listener: null, portSource: null } as const;

/** While it is down: the runit service that would run it. */
async function findDown(
  all: ReadonlyMap<number, Process>,
  previous: FoundService | null,
  self: Self,
): Promise<Pick<FoundService, 'supervisor' | 'starter' | 'folder' | 'worker'>> {
  if (previous !== null && previous.folder !== null) return previous;
  const folders = await Promise.all([...all.values()].filter(isRunsv).map((runsv) => serviceFolder(runsv, all, self)));
  const folder = pickScoring(folders.filter((path) => path !== null));
  return { supervisor: folder === null ? 'none' : 'runit', starter: null, folder, worker: null };
}

async function listenerOf(
  master: Process,
  worker: WorkerContext | null,
  self: Self,
): Promise<Pick<FoundService, 'listener' | 'portSource'>> {
  const named = worker === null ? null : namedPorts(worker);
  const listening = listeners();
  const said = listening.find(({ port }) => named?.ports.includes(port) === true);
  if (said !== undefined && named !== null) return { listener: said, portSource: named.source };
  const sockets = (await readProcess(master.pid, self))?.sockets ?? [];
  const listener = listening.find(({ inode }) => sockets.includes(inode)) ?? null;
  return { listener, portSource: listener && `the socket of process ${master.pid}` };
}

/** Ports that the command line, the environment or a configuration file names. */
function namedPorts(worker: WorkerContext): { ports: readonly number[]; source: string } | null {
  const { server, command, environ, cwd } = worker;
  if (server === 'azmlinfsrv') {
    const { port } = parseAzmlinfsrv(command.args);
    return { ports: [Number(port ?? 5001)], source: port === undefined ? "azmlinfsrv's default" : '--port' };
  }
  if (server === 'gunicorn') {
    const { ports, portSource } = gunicornSettings(command, environ, cwd);
    return portSource === null ? null : { ports, source: portSource };
  }
  const port = optionValue(command.args, '--port', '-p');
  return port === null ? null : { ports: [Number(port)], source: '--port' };
}
