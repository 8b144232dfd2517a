/** The agent's view of the scoring service, and the one owner of its reloads. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type { ReloadResult, ServiceState, StartCheck } from '../../shared/core/service.ts';
import type { Captured } from '../hook/messages.ts';
import { ServiceAccess } from './access.ts';
import { isSource, type SourceMarks } from './bytecode.ts';
import { attemptCandidate } from './candidate.ts';
import { WorkerDebugger } from './debugger.ts';
import { DoorCapture } from './door-capture.ts';
import { ExitWatch } from './exits.ts';
import { FinishKeeper } from './finish-keeper.ts';
import { foundNote } from './found-note.ts';
import { HookKeeper } from './hooked.ts';
import { LastGood } from './last-good.ts';
import { userName } from './procfs.ts';
import type { Self } from './read-worker.ts';
import { attemptReload, whyNotReloadable, type AttemptOutcome } from './reload.ts';
import type { RootChoice } from './root.ts';
import { control } from './runit.ts';
import { Sight } from './sight.ts';
import { OVERTAKEN, StartChecks, type ColdStart, type StartWish } from './start-check.ts';
import { userScript } from './user-script.ts';
import { Wishes, type FollowOptions } from './wishes.ts';
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
  /** How others come to it. */
  readonly access: Pick<ServiceAccess, keyof ServiceAccess>;
  /** A debugger in a worker, for as long as one client wants it. */
  readonly debugger: Pick<WorkerDebugger, 'want' | 'drop' | 'dialled' | 'target' | 'connected'>;
  /** Leaves the service as it was found. */
  detach(): Promise<void>;
}

const LOOK_MS = 1_000;
const DEADLINE_MS = 300_000;
/** Of code that may stand at a breakpoint: as long as somebody may look at it. */
const DEBUGGED_MS = 24 * 3_600_000;
/** A process that serves comes to its door at once, unless it is inside compiled code. */
const ASKED_MS = 1_000;
/** Between two looks while something is under way. */
const LOOK_FAST_MS = 20;
/** How long a service that fails at its start is watched for, to read how it is started. */
const START_MS = 15_000;
/** Trials in a row that the code itself may spoil by writing the sources that it imports. */
const MAX_MOVES = 3;

export async function createService(options: ServiceOptions): Promise<Service> {
  const service = new ScoringService(options);
  await service.begin();
  return service;
}

class ScoringService implements Service {
  readonly #options: ServiceOptions;
  readonly #now: () => number;
  readonly #listeners = new Set<(state: ServiceState) => void>();
  readonly #wishes = new Wishes();
  readonly #sight: Sight;
  #timer: NodeJS.Timeout | null = null;
  readonly #hook: HookKeeper;
  readonly #exits: ExitWatch;
  readonly #lastGood: LastGood;
  readonly #starts: StartChecks;
  readonly access: ServiceAccess;
  readonly debugger: WorkerDebugger;
  readonly #doors: DoorCapture;
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
    this.#sight = new Sight({
      self: options.self,
      root: options.root,
      wishes: this.#wishes,
      now: this.#now,
      apart: () => this.#hook.apart,
      environ: () => this.#hook.environ,
      onLook: async (found, worker) => {
        this.#exits.look(found, worker);
        await this.#keepHold();
      },
    });
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
      serving: () => ({ workers: this.#sight.serving, context: this.#sight.worker }),
      reload: async () => {
        const result = await this.reload();
        await this.#sight.look();
        return result;
      },
      look: () => this.#sight.look(),
    });
    this.#doors = new DoorCapture({
      kitDir: options.kitDir,
      serving: () => ({ workers: this.#sight.serving, context: this.#sight.worker }),
      onCaptured: options.onCaptured ?? (() => undefined),
      log: options.log,
    });
    this.access = new ServiceAccess({
      kitDir: options.kitDir,
      self: options.self,
      sight: this.#sight,
      wishes: this.#wishes,
      hook: this.#hook,
      debugger: this.debugger,
      doors: this.#doors,
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    });
    this.#finishKeeper = new FinishKeeper(options.log);
    this.#lastGood = new LastGood(join(options.kitDir, 'hook'));
    this.#starts = new StartChecks(this.#now, () => this.#tell());
    this.#exits = new ExitWatch({ self: options.self, now: this.#now });
  }

  async begin(): Promise<void> {
    await this.#sight.look();
    this.#schedule();
  }

  root(): RootChoice {
    return this.#sight.root();
  }

  useRoot(path: string): void {
    const { path: now } = this.root();
    if (resolve(path) === now) return;
    if (this.#wishes.isFollowed) {
      throw new DrydockError('taken', `A console is attached to the container with the folder ${now}, not ${path}.`, {
        hint: `Close it first, or say --root ${now}.`,
      });
    }
    this.#sight.useRoot(path);
  }

  state(): ServiceState {
    const found = this.#sight.found;
    const master = found?.master ?? null;
    const worker = this.#sight.worker;
    const { port, scorePath, healthPath } = this.#wishes.routes();
    const uid = worker?.uid ?? process.geteuid?.() ?? -1;
    const workers = (found?.workers ?? []).map((one) => ({
      pid: one.pid,
      startedAt: this.#sight.startOf(one),
    }));
    const cannot = found === null ? null : whyNotReloadable(found, found.worker, this.#preload);
    return {
      server: master === null ? 'none' : (found?.worker?.server ?? 'other'),
      supervisor: found?.supervisor ?? 'none',
      found: foundNote({ found, worker, root: this.root(), port }),
      masterPid: master?.pid ?? null,
      workers,
      port: port ?? found?.listener?.port ?? null,
      loopback: this.#sight.asked?.listener.loopback ?? false,
      scorePath,
      healthPath,
      user: userName(uid),
      uid,
      interpreter: worker?.interpreter ?? null,
      pythonVersion: worker?.pythonVersion ?? null,
      cwd: worker?.cwd ?? null,
      entryScript: typeof worker?.entryScript === 'string' ? userScript(worker.entryScript) : null,
      health: this.#sight.health,
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
        obstacle: busy ? OVERTAKEN : this.#sight.fits(1) ? null : 'there is not memory enough for one more worker',
        attempt: {
          worker: this.#sight.worker,
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
    this.#wishes.set(client, options);
    await this.#sight.look();
    if (this.#wishes.isFollowed) await this.#keepHook();
    else if (!this.#running) await this.#hook.release();
    if (options !== null && this.#hook.channel !== null) this.#hook.channel.say(this.#wishes.settings());
    await Promise.race([this.#keepDoors(), sleep(ASKED_MS, undefined, { ref: false })]);
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
    this.#wishes.clear();
    void this.#doors.keep(null);
    await this.#hook.release();
    await this.#lastGood.forgetCopy();
    await this.#keepHold();
    const error = { type: 'Detached', message: 'Drydock was detached', traceback: '', frames: [] };
    for (const { generation, resolve } of this.#waiting.splice(0)) {
      resolve({ ok: false, generation, ms: 0, stage: 'find', stages: [], error, at: this.#now() });
    }
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
    await this.#sight.look();
    if (this.#wishes.isFollowed) await this.#keepHook();
    void this.#keepDoors();
    if (!this.#running) void this.debugger.keep();
    // A helper process may take as long as a reload: none begins while one is under way.
    if (this.#wishes.isFollowed && this.#hook.channel === null && !this.#running) await this.#exits.listen();
    if (this.#phase === 'idle' && this.#sight.isHealthDue) this.#ask();
    this.#tell();
  }

  #ask(): void {
    this.#sight.askHealth(
      () => this.#phase === 'idle',
      () => this.#tell(),
    );
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
    const wanted = (this.#wishes.isFollowed || this.#running) && !this.#detached && this.#wishes.get('hook') !== false;
    return this.#hook.ensure(this.#sight.service, this.#preload, wanted);
  }

  /** Where the hook cannot be, what serves by uvicorn tells of requests while somebody follows. */
  #keepDoors(): Promise<void> {
    const { capture, variables, redact } = this.#wishes.settings();
    const worker = this.#sight.worker;
    const wanted = this.#wishes.isFollowed && !this.#detached && capture && this.#wishes.get('hook') !== false;
    if (!wanted || worker?.server !== 'other') return this.#doors.keep(null);
    const entry = worker.entryScript && userScript(worker.entryScript);
    return this.#doors.keep({ root: this.root().path, entry, variables, redact });
  }

  #keepHold(): Promise<void> {
    return this.#finishKeeper.keep(() => ({
      folder: this.#sight.service.folder ?? null,
      isPid1: this.#sight.service.supervisor === 'pid1',
      attached: this.#wishes.isFollowed || this.#running,
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
    return !this.#detached && this.#tried < this.#desired && (this.#wishes.isAuto || this.#waiting.length > 0);
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
    await this.#sight.look();
    const worker = this.#sight.worker ?? (await this.#watchStart());
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
    if (channel !== null && this.#wishes.get('hook') !== false && !needsRestart) {
      channel.say(this.#wishes.settings());
      const { isWarm } = this.#hook;
      const outcome = await attemptCandidate({
        channel,
        worker,
        generation,
        root: this.root().path,
        deadlineMs: this.debugger.mayStand ? DEBUGGED_MS : deadlineMs,
        alone: !this.#sight.fits(1),
        gate: this.#wishes.gate(),
        marks: this.#marks,
        signal,
        onPhase,
        onPromoted: (promoted) => {
          this.#starts.served(isWarm);
          void this.#lastGood.keep(promoted.files);
          // Only where the master can be restarted when an installed package changes, and where there is room for it, the
          // fork that tries the imports out, and the next candidate.
          const may = this.#wishes.get('warm') !== false && this.#sight.service.folder !== null && this.#sight.fits(3);
          if (may) void this.#hook.warm(promoted);
        },
      });
      // A master that ended under it is tried without.
      if (outcome !== null || signal.aborted) return outcome;
      await this.#sight.look();
    }
    return attemptReload({
      worker,
      find: async () => {
        await this.#sight.look();
        return { found: this.#sight.service, held: this.#finishKeeper.state.held };
      },
      known: this.#sight.known,
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
      answer: (ms) => this.#sight.awaitAnswer(ms),
      log,
    });
  }

  #nothingFound(): AttemptOutcome {
    const found = this.#sight.service;
    const message = whyNotReloadable(found, null, false) ?? 'the service is down and did not start';
    const error = { type: 'NoService', message, traceback: message, frames: [], hint: 'start the scoring service' };
    return { ok: false, stage: 'find', stages: [], error, output: '', marks: this.#marks, way: 'trial' };
  }

  /** A service that was down from the start: it is started, held, and read while it tries. */
  async #watchStart(): Promise<WorkerContext | null> {
    const folder = this.#sight.service.folder ?? null;
    if (this.#sight.service.master !== null || folder === null || !this.#finishKeeper.state.held) return null;
    await control(folder, 'u').catch((error: unknown) => this.#options.log(`runsv can't be told: ${String(error)}`));
    const end = Date.now() + START_MS;
    while (this.#sight.worker === null && Date.now() < end) {
      await this.#sight.look();
      await sleep(LOOK_FAST_MS);
    }
    return this.#sight.worker;
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
