/** The agent's view of the scoring service, and the one owner of its reloads. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type {
  PythonFailure,
  ReloadResult,
  ServiceState,
  ServiceWishes,
  StartCheck,
} from '../../shared/core/service.ts';
import { isSource, type SourceMarks } from './bytecode.ts';
import type { HookChannel } from '../hook/channel.ts';
import type { Captured, GateRequest } from '../hook/messages.ts';
import { boot } from './boot.ts';
import { attemptCandidate } from './candidate.ts';
import { ExitWatch } from './exits.ts';
import { explained } from './failure.ts';
import { findService, processKey, type FoundService } from './find.ts';
import { foundNote } from './found-note.ts';
import { askHealth, type Asked } from './health.ts';
import { hasDoor, WorkerDebugger } from './debugger.ts';
import { FinishKeeper } from './finish-keeper.ts';
import { HookKeeper } from './hooked.ts';
import { availableMemory, residentOf } from './memory.ts';
import { mountPoints, ownerOf, startedAt, userName, type Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';
import { attemptReload, whyNotReloadable, type AttemptOutcome } from './reload.ts';
import { chooseRoot, givenRoot, type RootChoice } from './root.ts';
import { LastGood } from './last-good.ts';
import { control, supervised } from './runit.ts';
import { OVERTAKEN, StartChecks, type ColdStart, type StartWish } from './start-check.ts';
import { userScript } from './user-script.ts';
import type { WorkerContext } from './worker.ts';

export interface ServiceOptions {
  /** The folder of the kit; Python lies in `python/` below it. */
  readonly kitDir: string;
  /** Of the kit. */
  readonly build: string;
  /** What executes the agent's bundle again: `[process.execPath, '/opt/drydock/agent.cjs']`. */
  readonly self: Self;
  /** `--root`. */
  readonly root?: string;
  readonly log: (text: string) => void;
  /** A request that passed a worker. */
  readonly onCaptured?: (captured: Captured) => void;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** Of one stage of a reload: the trial, the switch, the answer. Milliseconds. */
  readonly deadlineMs?: number;
}

export interface FollowOptions extends ServiceWishes {
  /** Changed code is reloaded by itself. */
  readonly auto: boolean;
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

export interface ServiceTarget {
  /** Null while it does not listen. */
  readonly asked: Asked | null;
  /** What told of the port, in words. */
  readonly portSource: string | null;
  /** The sample, or the last good request; null when there is none. */
  readonly request: GateRequest | null;
  readonly isSample: boolean;
  readonly scorePath: string;
}

export interface ServiceDoor {
  readonly pid: number;
  readonly interpreter: string;
  /** The script that its author edits, and the one that the server was told. */
  readonly entries: readonly string[];
}

export interface Service {
  state(): ServiceState;
  /** Which folder is to be synchronised, and why. */
  root(): RootChoice;
  /** `--root`. Throws while a console is attached with another folder, which it has open. */
  useRoot(path: string): void;
  /** Called after each change of the state. Returns the way to stop. */
  onChange(listener: (state: ServiceState) => void): () => void;
  /** Tries the code on disk and makes it serve; resolves with the result of a trial that began after this call. */
  reload(): Promise<ReloadResult>;
  /**
   * Whether a fresh start would serve the code on disk. Starts nothing where the code that serves was booted so; `skipped`
   * where there is no service or no memory for one more, and when a save or a commit came first.
   */
  checkStart(): Promise<StartCheck>;
  /** The same by a boot for certain, which is asked more while it is there. */
  coldStart(wish: StartWish): Promise<ColdStart>;
  /** Tells of changed paths, relative to the root. Services write files of their own, so from the disk only code counts. */
  changed(paths: readonly string[], origin: 'sync' | 'disk'): void;
  /** A connection's wishes; null when it is gone. While one follows, `finish` is held. */
  follow(client: symbol, options: FollowOptions | null): Promise<ServiceState>;
  /** `finish` as it was found. Resolves with whether it had been held. */
  prepareCommit(): Promise<{ readonly held: boolean }>;
  commitDone(): Promise<void>;
  workerContext(): Promise<ShellContext>;
  /** Where the service is asked, and with what. */
  target(): Promise<ServiceTarget>;
  /** The same without what it is asked, as it was last seen: nothing is looked at where it is known. */
  listens(): Promise<Asked | null>;
  /** A debugger in a worker, for as long as one client wants it. */
  readonly debugger: Pick<WorkerDebugger, 'want' | 'drop' | 'dialled' | 'target' | 'connected'>;
  /** Whether a worker that serves tells of the requests that it answers. */
  isHooked(): boolean;
  /** A failure with what to do about it. */
  explained(failure: PythonFailure): PythonFailure;
  /** What the code on disk raises in a fresh process on that request; null where it does not, or cannot be asked so. */
  askFresh(request: GateRequest): Promise<PythonFailure | null>;
  /** A worker that can be forked for a prompt. Throws where none can. */
  door(): Promise<ServiceDoor>;
  /** Leaves the service as it was found. */
  detach(): Promise<void>;
}

const LOOK_MS = 1_000;
const HEALTH_MS = 10_000;
const HEALTH_TIMEOUT_MS = 5_000;
const DEADLINE_MS = 300_000;
/** Of code that may stand at a breakpoint: as long as somebody may look at it. */
const DEBUGGED_MS = 24 * 3_600_000;
/** A master that lives says its last request at once. */
const HOOK_MS = 2_000;
/** Between two looks while something is under way. */
const LOOK_FAST_MS = 20;
/** A service that has been away for so long while an answer is awaited is down. */
const DOWN_MS = 2_000;
/** How long a service that fails at its start is watched for, to read how it is started. */
const START_MS = 15_000;
/** Trials in a row that the code itself may spoil by writing the sources that it imports. */
const MAX_MOVES = 3;

/** Of its memory that a new worker may need more than the old one. */
const ROOM = 1.1;

const NOTHING: FoundService = {
  master: null,
  workers: [],
  supervisor: 'none',
  starter: null,
  folder: null,
  listener: null,
  portSource: null,
  worker: null,
};

export async function createService(options: ServiceOptions): Promise<Service> {
  const service = new ScoringService(options);
  await service.begin();
  return service;
}

class ScoringService implements Service {
  readonly #options: ServiceOptions;
  readonly #now: () => number;
  readonly #listeners = new Set<(state: ServiceState) => void>();
  readonly #followers = new Map<symbol, FollowOptions>();
  /** Keys of all workers ever seen, without their master not to be taken for one, and their start (epoch ms). */
  readonly #known = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #found: FoundService | null = null;
  /** The last that could be read; it outlives the service, so that code can be tried while it is down. */
  #worker: WorkerContext | null = null;
  #root: RootChoice | null = null;
  readonly #hook: HookKeeper;
  readonly #exits: ExitWatch;
  readonly #lastGood: LastGood;
  readonly #starts: StartChecks;
  readonly debugger: WorkerDebugger;
  #health: ServiceState['health'] = 'unknown';
  #healthAt = 0;
  readonly #finishKeeper: FinishKeeper;
  #committing = false;
  #preload = false;

  #desired = 0;
  #live = 0;
  #tried = 0;
  #liveAt: number | null = null;
  #phase: ServiceState['phase'] = 'idle';
  #lastReload: ReloadResult | null = null;
  #marks: SourceMarks = new Map();
  #waiting: { readonly generation: number; readonly resolve: (result: ReloadResult) => void }[] = [];
  /** Of the trial under way. */
  #trial: AbortController | null = null;
  #running = false;
  #detached = false;
  #told = '';

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#hook = new HookKeeper({
      hookDir: join(options.kitDir, 'hook'),
      build: options.build,
      self: options.self,
      root: () => this.root().path,
      log: options.log,
      onChange: () => this.#tell(),
      onExit: ({ pid, code, signal, timeout, retired }) => {
        if (retired) this.#exits.ended(pid);
        else this.#exits.tell(pid, { code: code ?? undefined, signal: signal ?? undefined, timeout });
      },
      onReplace: () => this.#exits.retire(),
      onApart: (pid) => this.#exits.forget(pid),
      onDebug: (debug) => this.debugger.heard(debug),
      onCaptured: options.onCaptured ?? (() => undefined),
    });
    this.debugger = new WorkerDebugger({
      kitDir: options.kitDir,
      now: this.#now,
      onChange: () => this.#tell(),
      channel: () => this.#hook.channel,
      why: () => this.#hook.why,
      serving: () => ({ workers: this.#servingProcesses(), context: this.#worker }),
      reload: async () => {
        const result = await this.reload();
        await this.#look();
        return result;
      },
      look: () => this.#look(),
    });
    this.#finishKeeper = new FinishKeeper(options.log);
    this.#lastGood = new LastGood(join(options.kitDir, 'hook'));
    this.#starts = new StartChecks(this.#now, () => this.#tell());
    this.#exits = new ExitWatch({ self: options.self, now: this.#now });
  }

  async begin(): Promise<void> {
    await this.#look();
    this.#schedule();
  }

  root(): RootChoice {
    if (this.#root !== null) return this.#root;
    const worker = this.#worker;
    const choice = chooseRoot({
      given: this.#options.root,
      entryScript: worker?.entryScript ?? null,
      env: worker?.env ?? {},
      cwd: worker?.cwd ?? null,
      mounts: mountPoints(),
    });
    if (worker !== null) this.#root = choice; // from now on it stays: endpoints are open on it
    return choice;
  }

  useRoot(path: string): void {
    const { path: now } = this.root();
    if (resolve(path) === now) return;
    if (this.#followers.size > 0) {
      throw new DrydockError('taken', `A console is attached to the container with the folder ${now}, not ${path}.`, {
        hint: `Close it first, or say --root ${now}.`,
      });
    }
    this.#root = givenRoot(path);
  }

  state(): ServiceState {
    const found = this.#found;
    const master = found?.master ?? null;
    const worker = this.#worker;
    const { port, scorePath, healthPath } = this.#overrides();
    const uid = worker?.uid ?? process.geteuid?.() ?? -1;
    const workers = (found?.workers ?? []).map((one) => ({
      pid: one.pid,
      startedAt: this.#known.get(processKey(one)) ?? startedAt(one),
    }));
    const cannot = found === null ? null : whyNotReloadable(found, found.worker, this.#preload);
    return {
      server: master === null ? 'none' : (found?.worker?.server ?? 'other'),
      supervisor: found?.supervisor ?? 'none',
      found: foundNote({ found, worker, root: this.root(), port }),
      masterPid: master?.pid ?? null,
      workers,
      port: port ?? found?.listener?.port ?? null,
      scorePath,
      healthPath,
      user: userName(uid),
      uid,
      interpreter: worker?.interpreter ?? null,
      pythonVersion: worker?.pythonVersion ?? null,
      cwd: worker?.cwd ?? null,
      entryScript: typeof worker?.entryScript === 'string' ? userScript(worker.entryScript) : null,
      health: this.#health,
      hold: this.#finishKeeper.state,
      desired: this.#desired,
      live: this.#live,
      phase: this.#phase,
      liveSince:
        this.#liveAt ?? workers.reduce<number | null>((min, one) => Math.min(min ?? Infinity, one.startedAt), null),
      lastReload: this.#lastReload,
      way: this.#hook.channel === null ? { kind: 'trial', reason: this.#hook.why } : { kind: 'candidate' },
      held: this.#hook.held,
      startCheck: this.#starts.last,
      exits: this.#exits.recent,
      debugger: this.debugger.state(),
      ...(cannot !== null && { cannotReload: cannot }),
    };
  }

  onChange(listener: (state: ServiceState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reload(): Promise<ReloadResult> {
    this.#bump(); // what is on disk may differ from what a trial under way has read
    const generation = this.#desired;
    return new Promise((resolve) => {
      this.#waiting.push({ generation, resolve });
      void this.#run();
    });
  }

  async checkStart(): Promise<StartCheck> {
    return (await this.#start()).check;
  }

  coldStart(wish: StartWish): Promise<ColdStart> {
    return this.#start(wish);
  }

  async #start(wish?: StartWish): Promise<ColdStart> {
    const start = await this.#starts.check(async () => {
      await this.#runs;
      const busy = this.#detached || this.#committing;
      return {
        generation: this.#desired,
        last: this.#lastReload,
        obstacle: busy ? OVERTAKEN : this.#fits(1) ? null : 'there is not memory enough for one more worker',
        attempt: {
          worker: this.#worker,
          channel: this.#hook.channel,
          python: join(this.#options.kitDir, 'python'),
          root: this.root().path,
          marks: this.#marks,
          deadlineMs: this.#options.deadlineMs ?? DEADLINE_MS,
        },
      };
    }, wish);
    const { check } = start;
    if (!check.ok && this.#starts.isWarm && this.#live === check.generation) {
      // Tried anew as it would be started, and served so, or refused for what a fresh start says of it.
      this.#hook.distrust();
      this.#bump();
      void this.#run();
    }
    return start;
  }

  changed(paths: readonly string[], origin: 'sync' | 'disk'): void {
    const counts = origin === 'sync' ? (path: string) => !isBytecode(path) : isSource;
    if (!paths.some(counts)) return;
    this.#bump();
    this.#tell();
    void this.#run();
  }

  async follow(client: symbol, options: FollowOptions | null): Promise<ServiceState> {
    if (options === null) this.#followers.delete(client);
    else {
      this.#followers.delete(client); // the last one's overrides count
      this.#followers.set(client, options);
    }
    await this.#look();
    if (this.#followers.size > 0) await this.#keepHook();
    else if (!this.#running) await this.#hook.release();
    if (options !== null && this.#hook.channel !== null) this.#sayWishes(this.#hook.channel);
    if (options !== null && this.#hook.channel === null) await this.#lastGood.begin(this.root().path);
    if (options !== null) this.#ask();
    this.#tell();
    void this.#run();
    return this.state();
  }

  async prepareCommit(): Promise<{ readonly held: boolean }> {
    const { held } = this.#finishKeeper.state;
    this.#committing = true;
    this.#starts.abort(); // it runs from files that may go now
    await this.#keepHold();
    return { held };
  }

  async commitDone(): Promise<void> {
    this.#committing = false;
    await this.#keepHold();
    this.#tell();
  }

  async detach(): Promise<void> {
    this.#detached = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#trial?.abort();
    this.#starts.abort();
    this.#followers.clear();
    await this.#hook.release();
    await this.#lastGood.forgetCopy();
    await this.#keepHold();
    const error = { type: 'Detached', message: 'Drydock was detached', traceback: '', frames: [] };
    for (const { generation, resolve } of this.#waiting.splice(0)) {
      resolve({ ok: false, generation, ms: 0, stage: 'find', stages: [], error, at: this.#now() });
    }
  }

  async workerContext(): Promise<ShellContext> {
    await this.#look();
    const worker = this.#worker;
    if (worker !== null) {
      return { worker, env: worker.env, cwd: this.root().path, uid: worker.uid, gid: worker.gid };
    }
    const first = await readProcess(1, this.#options.self);
    const owner = ownerOf(1) ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    return { worker: null, env: first?.environ ?? {}, cwd: first?.cwd ?? '/', ...owner };
  }

  async door(): Promise<ServiceDoor> {
    await this.#look();
    const { pid } = await this.debugger.door();
    const worker = this.#worker;
    if (worker === null) throw new DrydockError('not-running', 'No scoring service runs in the container.');
    const { entryScript, interpreter } = worker;
    const entries = entryScript === null ? [] : [...new Set([userScript(entryScript), entryScript])];
    return { pid, interpreter, entries };
  }

  isHooked(): boolean {
    return this.#hook.channel !== null && this.#servingProcesses().some(({ pid }) => hasDoor(pid));
  }

  explained(failure: PythonFailure): PythonFailure {
    return this.#worker === null ? failure : explained(failure, this.#worker, this.root().path);
  }

  async askFresh(request: GateRequest): Promise<PythonFailure | null> {
    const worker = this.#worker;
    if (worker === null || !this.#fits(1)) return null;
    const outcome = await boot(worker, {
      python: join(this.#options.kitDir, 'python'),
      root: this.root().path,
      deadlineMs: this.#options.deadlineMs ?? DEADLINE_MS,
      request,
      once: true,
      signal: new AbortController().signal,
    });
    return outcome?.error ?? outcome?.answered?.failure ?? null;
  }

  /** What the hook does with requests. The gate needs the last good one. */
  #sayWishes(channel: HookChannel): void {
    const capture = this.#wish('capture') !== false;
    channel.say({
      do: 'settings',
      capture,
      variables: this.#wish('variables') !== false,
      redact: this.#wish('redact') ?? [],
    });
  }

  /** One without workers is its own. */
  #servingProcesses(): readonly Process[] {
    const { workers = [], master = null } = this.#found ?? {};
    return workers.length > 0 || master === null ? workers : [master];
  }

  async listens(): Promise<Asked | null> {
    if (this.#asked() === null) await this.#look();
    return this.#asked();
  }

  async target(): Promise<ServiceTarget> {
    await this.#look();
    const sample = this.#sample();
    // A master that hangs does not answer, and is what somebody asks about.
    const last = sample === null ? this.#hook.channel?.request() : undefined;
    const request = sample ?? (await Promise.race([last, sleep(HOOK_MS, null, { ref: false })])) ?? null;
    return {
      asked: this.#asked(),
      portSource: this.#found?.portSource ?? null,
      request,
      isSample: sample !== null,
      scorePath: this.#overrides().scorePath,
    };
  }

  // What is seen --------------------------------------------------------------------------------------------------------

  #schedule(): void {
    this.#timer = setTimeout(() => {
      void this.#watch()
        .catch((error: unknown) => this.#options.log(`the service could not be looked at: ${String(error)}`))
        .finally(() => {
          if (!this.#detached) this.#schedule();
        });
    }, LOOK_MS);
    this.#timer.unref();
  }

  async #watch(): Promise<void> {
    await this.#look();
    if (this.#followers.size > 0) await this.#keepHook();
    if (!this.#running) void this.debugger.keep();
    // A helper process may take as long as a reload: none begins while one is under way.
    if (this.#followers.size > 0 && this.#hook.channel === null && !this.#running) await this.#exits.listen();
    const pause = this.#health === 'healthy' ? HEALTH_MS : LOOK_MS; // what is not well is waited for
    if (this.#phase === 'idle' && this.#now() - this.#healthAt >= pause) this.#ask();
    this.#tell();
  }

  #looking: Promise<void> = Promise.resolve();

  /** One after the other, each begun after it was asked for. */
  #look(): Promise<void> {
    const look = this.#looking.then(() => this.#lookNow());
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async #lookNow(): Promise<void> {
    const before = this.#found;
    const seen = await findService(this.#options.self, before, this.#known);
    const found = { ...seen, workers: seen.workers.filter(({ pid }) => !this.#hook.apart.has(pid)) };
    this.#found = found;
    if (found.worker !== null) this.#worker = found.worker;
    if (found.master !== null) {
      for (const worker of found.workers) {
        const key = processKey(worker);
        if (!this.#known.has(key)) this.#known.set(key, startedAt(worker));
      }
    }
    if (found.master === null) this.#health = 'unreachable';
    else if (found.master.pid !== before?.master?.pid) this.#healthAt = 0;
    this.#exits.look(found, this.#worker);
    await this.#keepHold();
  }

  /** Not awaited by anybody: a busy worker answers late. */
  #ask(): void {
    const asked = this.#asked();
    this.#healthAt = this.#now();
    if (asked === null) return;
    const master = this.#found?.master?.pid;
    void askHealth(asked, HEALTH_TIMEOUT_MS).then((health) => {
      if (this.#found?.master?.pid !== master || this.#phase !== 'idle') return;
      this.#health = health;
      this.#tell();
    });
  }

  #asked(): Asked | null {
    const { port, healthPath } = this.#overrides();
    const listener = this.#found?.listener ?? null;
    const at = port === undefined ? listener : { host: '127.0.0.1', inode: '', port };
    const guessed = ![...this.#followers.values()].some((follower) => follower.healthPath !== undefined);
    return at && { listener: at, path: healthPath, guessed: guessed && this.#worker?.server !== 'azmlinfsrv' };
  }

  #overrides(): { port?: number; scorePath: string; healthPath: string } {
    const port = this.#wish('port');
    return {
      ...(port !== undefined && { port }),
      scorePath: this.#wish('scorePath') ?? '/score',
      healthPath: this.#wish('healthPath') ?? '/',
    };
  }

  /** Of those who follow the last one counts. */
  #wish<K extends keyof ServiceWishes>(name: K): ServiceWishes[K] | undefined {
    return [...this.#followers.values()].findLast((one) => one[name] !== undefined)?.[name];
  }

  /** Whether there is memory for so many more workers like the largest. */
  #fits(workers: number): boolean {
    const available = availableMemory();
    const largest = Math.max(0, ...(this.#found?.workers ?? []).map(({ pid }) => residentOf(pid) ?? 0));
    return available === null || available >= largest * ROOM * workers;
  }

  /** What new code is to answer before it serves. */
  #gate(): 'last' | GateRequest | null {
    return this.#wish('gate') === false ? null : (this.#sample() ?? 'last');
  }

  #sample(): GateRequest | null {
    const sample = this.#wish('sample');
    if (sample === undefined) return null;
    const path = this.#overrides().scorePath;
    return { method: 'POST', path, query: '', headers: { CONTENT_TYPE: sample.contentType }, body: sample.body };
  }

  #tell(): void {
    const state = this.state();
    const text = JSON.stringify(state);
    if (text === this.#told) return;
    this.#told = text;
    for (const listener of this.#listeners) listener(state);
  }

  /** The hook is in while somebody follows or a reload runs; one that came with the process is listened to always. */
  #keepHook(): Promise<void> {
    const wanted = (this.#followers.size > 0 || this.#running) && !this.#detached && this.#wish('hook') !== false;
    return this.#hook.ensure(this.#found ?? NOTHING, this.#preload, wanted);
  }

  #keepHold(): Promise<void> {
    return this.#finishKeeper.keep(() => ({
      folder: this.#found?.folder ?? null,
      isPid1: this.#found?.supervisor === 'pid1',
      attached: this.#followers.size > 0 || this.#running,
      committing: this.#committing,
      detached: this.#detached,
    }));
  }

  // Reloads -------------------------------------------------------------------------------------------------------------

  /** A new generation lies on disk: a trial of an older one is void. */
  #bump(): void {
    this.#desired += 1;
    this.#trial?.abort();
    this.#starts.abort();
  }

  #wanted(): boolean {
    const auto = [...this.#followers.values()].some((follower) => follower.auto);
    return !this.#detached && this.#tried < this.#desired && (auto || this.#waiting.length > 0);
  }

  #runs: Promise<void> = Promise.resolve();

  /** One at a time; a generation that came meanwhile is tried at the end. */
  #run(): Promise<void> {
    if (!this.#running) this.#runs = this.#runAll();
    return this.#runs;
  }

  async #runAll(): Promise<void> {
    this.#running = true;
    try {
      for (let moves = 0; this.#wanted();) {
        const generation = (this.#tried = this.#desired);
        const result = await this.#attempt(generation, moves < MAX_MOVES);
        if (result !== null) {
          this.#finish(result);
          moves = 0;
        } else if (this.#desired === generation) {
          this.#desired += 1; // sources moved that nobody told of
          moves += 1;
        }
      }
    } finally {
      this.#running = false;
      this.#setPhase('idle');
      await this.#keepHold();
      this.#tell();
      if (this.#starts.isDue) {
        this.checkStart().catch((error: unknown) =>
          this.#options.log(`a fresh start could not be tried: ${String(error)}`),
        );
      }
    }
  }

  /** Null when what was tried is not, or no longer, what lies on disk. */
  async #attempt(generation: number, strict: boolean): Promise<ReloadResult | null> {
    const from = performance.now();
    const trial = (this.#trial = new AbortController());
    this.#setPhase('checking');
    await this.#look();
    const worker = this.#worker ?? (await this.#watchStart());
    await this.#keepHook();
    const outcome = worker === null ? this.#nothingFound() : await this.#try(worker, generation, trial.signal, strict);
    this.debugger.settled();
    this.#trial = null;
    if (outcome === null) return null;
    const { marks, ...result } = outcome;
    this.#marks = marks;
    if (result.ok && result.way === 'trial') this.#starts.served(false);
    return { ...result, generation, ms: performance.now() - from, at: this.#now() };
  }

  async #try(
    worker: WorkerContext,
    generation: number,
    signal: AbortSignal,
    strict: boolean,
  ): Promise<AttemptOutcome | null> {
    const { self, kitDir, log, deadlineMs = DEADLINE_MS } = this.#options;
    const { channel } = this.#hook;
    const onPhase = (phase: ServiceState['phase']): void => {
      this.#trial = null; // too late to abort
      if (phase === 'switching') this.#exits.retire();
      this.#setPhase(phase);
    };
    const needsRestart = this.#hook.needsRestart();
    if (channel !== null && this.#wish('hook') !== false && !needsRestart) {
      this.#sayWishes(channel);
      const { isWarm } = this.#hook;
      const outcome = await attemptCandidate({
        channel,
        worker,
        generation,
        root: this.root().path,
        deadlineMs: this.debugger.mayStand ? DEBUGGED_MS : deadlineMs,
        alone: !this.#fits(1),
        gate: this.#gate(),
        marks: this.#marks,
        signal,
        onPhase,
        onPromoted: (promoted) => {
          this.#starts.served(isWarm);
          void this.#lastGood.keep(promoted.files);
          // Only where the master can be restarted when an installed package changes, and where there is room for it, the
          // fork that tries the imports out, and the next candidate.
          const may = this.#wish('warm') !== false && this.#found?.folder !== null && this.#fits(3);
          if (may) void this.#hook.warm(promoted);
        },
      });
      // A master that ended under it is tried without.
      if (outcome !== null || signal.aborted) return outcome;
      await this.#look();
    }
    return attemptReload({
      worker,
      find: async () => {
        await this.#look();
        return { found: this.#found ?? NOTHING, held: this.#finishKeeper.state.held };
      },
      known: this.#known,
      root: this.root().path,
      python: join(kitDir, 'python'),
      self,
      deadlineMs,
      marks: this.#marks,
      strict,
      signal,
      restart: needsRestart || worker.isPast,
      lastGood: this.#lastGood,
      onPhase,
      onPreload: (preload) => (this.#preload = preload),
      answer: (ms) => this.#awaitAnswer(ms),
      log,
    });
  }

  #nothingFound(): AttemptOutcome {
    const found = this.#found ?? NOTHING;
    const message = whyNotReloadable(found, null, false) ?? 'the service is down and did not start';
    const error = { type: 'NoService', message, traceback: message, frames: [], hint: 'start the scoring service' };
    return { ok: false, stage: 'find', stages: [], error, output: '', marks: this.#marks, way: 'trial' };
  }

  /** A service that was down from the start: it is started, held, and read while it tries. */
  async #watchStart(): Promise<WorkerContext | null> {
    const folder = this.#found?.folder ?? null;
    if (this.#found?.master !== null || folder === null || !this.#finishKeeper.state.held) return null;
    await control(folder, 'u').catch((error: unknown) => this.#options.log(`runsv can't be told: ${String(error)}`));
    const end = Date.now() + START_MS;
    while (this.#worker === null && Date.now() < end) {
      await this.#look();
      await sleep(LOOK_FAST_MS);
    }
    return this.#worker;
  }

  /** Until the health path answers, the service is down, or `ms` have passed. */
  async #awaitAnswer(ms: number): Promise<ServiceState['health']> {
    const end = Date.now() + ms;
    let downSince: number | null = null;
    while (Date.now() < end) {
      await sleep(LOOK_FAST_MS);
      await this.#look();
      if ((this.#found?.master ?? null) === null) {
        // A server that is not gunicorn is found by its socket: while runit runs it, it is on its way there.
        const folder = this.#found?.folder ?? null;
        if (folder !== null && supervised(folder)?.startsWith('run') === true) downSince = null;
        downSince ??= Date.now();
        if (Date.now() - downSince > DOWN_MS) break;
        continue;
      }
      downSince = null;
      const asked = this.#asked();
      if (asked === null) continue; // it does not listen yet
      this.#healthAt = this.#now();
      this.#health = await askHealth(asked, end - Date.now());
      if (this.#health !== 'unreachable') break;
    }
    return this.#health;
  }

  #finish(result: ReloadResult): void {
    this.#lastReload = result;
    if (result.ok) {
      this.#live = result.generation;
      this.#liveAt = result.at;
    }
    this.#phase = 'idle';
    this.#tell();
    const [done, later] = [true, false].map((covered) =>
      this.#waiting.filter(({ generation }) => generation <= result.generation === covered),
    );
    this.#waiting = later ?? [];
    for (const { resolve } of done ?? []) resolve(result);
  }

  #setPhase(phase: ServiceState['phase']): void {
    this.#phase = phase;
    this.#tell();
  }
}

const isBytecode = (path: string): boolean => path.endsWith('.pyc') || path.split('/').includes('__pycache__');
