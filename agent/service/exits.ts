/** Notices each process of the service that ends unasked, and says why. */
import type { ServiceExit } from '../../shared/core/service.ts';
import { explainExit, type ExitEvidence, type ExitStatus } from './explain-exit.ts';
import { processKey, type FoundService } from './find.ts';
import { gunicornSettings } from './gunicorn.ts';
import { readMemory, residentOf, type MemoryState } from './memory.ts';
import type { Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';
import type { WorkerContext } from './worker.ts';

/** How many are kept. */
const MAX_EXITS = 20;
/** azmlinfsrv's own (constants.py, `DEFAULT_WORKER_TIMEOUT_SECONDS`). */
const AZMLINFSRV_TIMEOUT_S = 300;
/**
 * A worker that is well beats at least every half of its timeout (gunicorn's workers wait no longer for a request). Two
 * looks at a heartbeat lie a sixth of the timeout apart, so that of a worker that hangs one sees it silent for longer
 * than that.
 */
const HALF = 0.5;
const SAMPLES = 6;

/** A new worker that came this long before an old one ended came in its place. Milliseconds. */
const REPLACED_MS = 3_000;
/** Given to a worker to finish its request; gunicorn's own is 30 s. One that lives on was not ended after all. */
const RETIRING_MS = 120_000;
/** How long the status of a process that nothing explains is waited for. Milliseconds. */
const PATIENCE_MS = 1_000;
/** Processes that a late status may still explain. */
const MAX_PAST = 100;

interface Watched {
  readonly process: Process;
  readonly isMaster: boolean;
  /** Epoch milliseconds. */
  readonly firstSeen: number;
  resident: number | null;
  /** Of its heartbeat file, epoch milliseconds: the last beat and when it was looked at. */
  beat: { readonly at: number; readonly looked: number } | null;
  /** When it was told to end, by a reload; epoch milliseconds. */
  retiredAt: number | null;
}

interface Policy {
  readonly timeoutMs: number | null;
  readonly timeoutName: string;
  /** Workers end in order by themselves. */
  readonly recycles: boolean;
}

export interface ExitWatchOptions {
  readonly self: Self;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly memory?: () => MemoryState;
}

export class ExitWatch {
  readonly #options: ExitWatchOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #memory: () => MemoryState;
  /** As of the last look. */
  #counted: MemoryState;
  /** The kernel's count, up to the last kill that is explained. */
  #kills: number | null;
  /** Since when the kernel has counted a kill of which no victim is known; epoch milliseconds. */
  #countedAt: number | null = null;
  #policy: Policy = { timeoutMs: null, timeoutName: '', recycles: false };
  #policyOf: WorkerContext | null = null;
  #exits: readonly ServiceExit[] = [];
  /** Statuses of processes that no look has missed yet, by pid. */
  readonly #told = new Map<number, ExitStatus>();
  /** Gone, unexplained, and not told yet: by pid, when that was seen. */
  readonly #unexplained = new Map<number, { readonly at: number; readonly evidence: ExitEvidence }>();
  /** Processes that ended and whose status was not told, by pid; null for those that were to end. */
  readonly #past = new Map<number, { readonly exit: ServiceExit | null; readonly evidence: ExitEvidence } | null>();

  constructor(options: ExitWatchOptions) {
    this.#options = options;
    this.#memory = options.memory ?? (() => readMemory());
    this.#counted = this.#memory();
    this.#kills = this.#counted.kills;
  }

  /** Oldest first. */
  get recent(): readonly ServiceExit[] {
    return this.#exits;
  }

  /** All that run now are going to be ended on purpose. */
  retire(): void {
    const now = this.#options.now();
    for (const one of this.#watched.values()) one.retiredAt = now;
  }

  /** A fork of the master that serves nobody: new code on trial. How it ends is not an alarm. */
  forget(pid: number): void {
    for (const [key, { process }] of this.#watched) if (process.pid === pid) this.#watched.delete(key);
  }

  /**
   * It ended on purpose, as the master tells. RACE: a look that began before may still show it; the next one then
   * misses it, and finds it settled.
   */
  ended(pid: number): void {
    this.forget(pid);
    this.#told.delete(pid);
    this.#unexplained.delete(pid);
    this.#exits = this.#exits.filter((exit) => exit !== this.#past.get(pid)?.exit);
    this.#remember(pid, null);
  }

  /** The exact status, where something in the master took it; before or after a look has missed the process. */
  tell(pid: number, status: ExitStatus): void {
    const past = this.#past.get(pid);
    if (past === undefined) {
      this.#told.set(pid, status);
      return;
    }
    this.#past.delete(pid);
    this.#unexplained.delete(pid);
    if (past === null) return;
    this.#exits = this.#exits.filter((exit) => exit !== past.exit);
    this.#add(pid, past.exit?.at ?? this.#options.now(), { ...past.evidence, status });
  }

  /** After each look at the service. */
  look(found: FoundService, worker: WorkerContext | null): void {
    const now = this.#options.now();
    this.#counted = this.#memory();
    // By which the process was started: what is written into its configuration later says nothing of it.
    if (worker !== null && worker !== this.#policyOf) this.#policy = policyOf((this.#policyOf = worker));
    const alive = new Map(found.workers.map((process) => [processKey(process), process]));
    if (found.master !== null) alive.set(processKey(found.master), found.master);
    const gone = [...this.#watched.values()].filter(({ process }) => !alive.has(processKey(process)));
    for (const { process } of gone) this.#watched.delete(processKey(process));
    this.#explain(gone, now);
    this.#giveUp(now);
    this.#explainUnseen(new Set(Array.from(alive.values(), ({ pid }) => pid)), now);
    this.#explainUnclaimed(now);
    for (const [key, process] of alive) {
      const isMaster = process.pid === found.master?.pid;
      const fresh = { process, isMaster, firstSeen: now, resident: null, beat: null, retiredAt: null };
      const one = this.#watched.get(key) ?? fresh;
      one.resident = residentOf(process.pid) ?? one.resident;
      this.#watched.set(key, one);
    }
  }

  /** Asks for the workers' heartbeats, which may cost a helper process each: now and then, where nobody in the master tells. */
  async listen(): Promise<void> {
    const now = this.#options.now();
    const { timeoutMs } = this.#policy;
    if (timeoutMs === null) return;
    for (const one of this.#watched.values()) {
      if (one.isMaster || now - (one.beat?.looked ?? 0) < timeoutMs / SAMPLES) continue;
      const at = (await readProcess(one.process.pid, this.#options.self))?.heartbeat ?? null;
      if (at !== null) one.beat = { at, looked: this.#options.now() };
    }
  }

  #explain(gone: readonly Watched[], now: number): void {
    const { limit } = this.#counted;
    const status = ({ process }: Watched) => this.#told.get(process.pid);
    // The kernel takes the largest.
    const victims = new Set(
      gone
        .filter((one) => mayBeKilled(status(one)))
        .sort((a, b) => (b.resident ?? 0) - (a.resident ?? 0))
        .slice(0, this.#unclaimed()),
    );
    this.#claim(victims.size);
    const { timeoutMs, timeoutName } = this.#policy;
    for (const one of gone) {
      const { pid } = one.process;
      const evidence: ExitEvidence = {
        what: one.isMaster ? `the service's process ${pid}` : `worker ${pid}`,
        status: status(one),
        byMemory: victims.has(one),
        memoryLimit: limit,
        resident: one.resident,
        silent: !one.isMaster && isSilent(one, now, timeoutMs),
        timeoutMs,
        timeoutName,
      };
      this.#told.delete(pid);
      const settled = this.#past.get(pid) === null;
      const retired = settled || (one.retiredAt !== null && now - one.retiredAt < RETIRING_MS);
      const explained = evidence.status !== undefined || evidence.byMemory || evidence.silent;
      if (retired && !evidence.byMemory) this.#remember(pid, null);
      else if (explained) this.#add(pid, now, evidence);
      else {
        this.#remember(pid, { exit: null, evidence });
        if (!this.#inOrder(one, gone, now)) this.#unexplained.set(pid, { at: now, evidence });
      }
    }
  }

  /** Kills that the kernel has counted and whose victim is not known. */
  #unclaimed(): number {
    return Math.max(0, (this.#counted.kills ?? 0) - (this.#kills ?? 0));
  }

  #claim(kills: number): void {
    if (kills === 0) return;
    this.#kills = (this.#kills ?? 0) + kills;
    this.#countedAt = null;
  }

  /** RACE: the kernel counts a kill before the process is gone: whose it was a later look may see. */
  #explainUnclaimed(now: number): void {
    const unclaimed = this.#unclaimed();
    if (unclaimed === 0 || now - (this.#countedAt ??= now) < PATIENCE_MS) return;
    this.#claim(unclaimed);
    const none = { resident: null, silent: false, timeoutMs: null, timeoutName: '' };
    this.#add(null, now, {
      what: 'a process of the container',
      byMemory: true,
      memoryLimit: this.#counted.limit,
      ...none,
    });
  }

  /** Nobody has told the status of these. */
  #giveUp(now: number): void {
    for (const [pid, { at, evidence }] of this.#unexplained) {
      if (now - at < PATIENCE_MS) continue;
      this.#unexplained.delete(pid);
      this.#add(pid, at, evidence);
    }
  }

  /** Those that came and went between two looks. */
  #explainUnseen(alive: ReadonlySet<number>, now: number): void {
    const { timeoutMs, timeoutName } = this.#policy;
    for (const [pid, status] of this.#told) {
      if (alive.has(pid)) continue;
      this.#told.delete(pid);
      const byMemory = mayBeKilled(status) && this.#unclaimed() > 0;
      this.#claim(byMemory ? 1 : 0);
      const seen = {
        byMemory,
        memoryLimit: this.#counted.limit,
        resident: null,
        silent: false,
        timeoutMs,
        timeoutName,
      };
      this.#add(pid, now, { what: `worker ${pid}`, status, ...seen });
    }
  }

  /** Nothing says why it ended, and what was seen beside it speaks for a purpose. */
  #inOrder({ isMaster, process }: Watched, gone: readonly Watched[], now: number): boolean {
    if (isMaster) return false;
    if (this.#policy.recycles || gone.some((one) => one.isMaster)) return true;
    const others = [...this.#watched.values()].filter((one) => !one.isMaster);
    // On HUP gunicorn starts the new workers, and then ends all the old.
    const allAtOnce = gone.length > 1 && others.length === 0;
    return (
      allAtOnce ||
      others.some((one) => now - one.firstSeen < REPLACED_MS && one.process.startTicks > process.startTicks)
    );
  }

  #add(pid: number | null, at: number, evidence: ExitEvidence): void {
    const explained = explainExit(evidence);
    const exit = explained === null ? null : { pid, at, ...explained };
    if (exit !== null) this.#exits = [...this.#exits, exit].slice(-MAX_EXITS);
    if (pid !== null && evidence.status === undefined) this.#remember(pid, { exit, evidence });
  }

  #remember(pid: number, past: { exit: ServiceExit | null; evidence: ExitEvidence } | null): void {
    this.#past.delete(pid);
    this.#past.set(pid, past);
    const [oldest] = this.#past.keys();
    if (this.#past.size > MAX_PAST && oldest !== undefined) this.#past.delete(oldest);
  }
}

const mayBeKilled = (status: ExitStatus | undefined): boolean =>
  (status?.signal ?? 'SIGKILL') === 'SIGKILL' && status?.code === undefined;

function isSilent({ beat }: Watched, now: number, timeoutMs: number | null): boolean {
  return beat !== null && timeoutMs !== null && now - beat.at >= timeoutMs && beat.looked - beat.at > timeoutMs * HALF;
}

function policyOf({ server, command, environ, cwd }: WorkerContext): Policy {
  if (server === 'other') return { timeoutMs: null, timeoutName: '', recycles: false };
  const { timeout, maxRequests } = gunicornSettings(command, environ, cwd);
  const azure = server === 'azmlinfsrv';
  const seconds = azure ? Number(environ['WORKER_TIMEOUT'] ?? AZMLINFSRV_TIMEOUT_S) : timeout;
  return {
    timeoutMs: seconds > 0 ? seconds * 1000 : null,
    timeoutName: azure ? 'WORKER_TIMEOUT' : '--timeout',
    recycles: maxRequests > 0,
  };
}
