/** What is seen of the scoring service: which processes it is, where it listens, whether it is well. Nothing is changed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceState } from '../../shared/core/service.ts';
import type { Environment } from './environment.ts';
import { findService, processKey, type FoundService } from './find.ts';
import { askHealth, type Asked } from './health.ts';
import { availableMemory, residentOf } from './memory.ts';
import { listeners, mountPoints, startedAt, type Listener, type Process } from './procfs.ts';
import type { Self } from './read-worker.ts';
import { chooseRoot, givenRoot, type RootChoice } from './root.ts';
import { supervised } from './runit.ts';
import type { Wishes } from './wishes.ts';
import { asTold, type WorkerContext } from './worker.ts';

export interface SightOptions {
  readonly self: Self;
  /** `--root`. */
  readonly root: string | undefined;
  readonly wishes: Wishes;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Processes that look like workers and are none. */
  readonly apart: () => ReadonlySet<number>;
  /** What the workers tell of theirs; the same object as long as they tell nothing new. */
  readonly environ: () => Environment | null;
  /** Of each look; whoever asked for it waits for this, too. */
  readonly onLook: (found: FoundService, worker: WorkerContext | null) => Promise<void>;
}

const HEALTH_MS = 10_000;
/** What is not well is waited for. */
const UNWELL_MS = 1_000;
const HEALTH_TIMEOUT_MS = 5_000;
/** Between two looks while an answer is awaited. */
const LOOK_FAST_MS = 20;
/** A service that has been away for so long while an answer is awaited is down. */
const DOWN_MS = 2_000;
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

export class Sight {
  readonly #options: SightOptions;
  /** Keys of all workers ever seen, without their master not to be taken for one, and their start (epoch ms). */
  readonly #known = new Map<string, number>();
  #found: FoundService | null = null;
  /** The last that could be read; it outlives the service, so that code can be tried while it is down. */
  #worker: WorkerContext | null = null;
  #told: { readonly of: WorkerContext; readonly environ: Environment; readonly worker: WorkerContext } | null = null;
  /** Of the port that was named; null where nothing was seen to listen there. */
  #named: Listener | null = null;
  #root: RootChoice | null = null;
  #health: ServiceState['health'] = 'unknown';
  #healthAt = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: SightOptions) {
    this.#options = options;
  }

  /** Null before the first look. */
  get found(): FoundService | null {
    return this.#found;
  }

  get service(): FoundService {
    return this.#found ?? NOTHING;
  }

  get worker(): WorkerContext | null {
    const environ = this.#options.environ();
    const of = this.#worker;
    if (of === null || environ === null) return of;
    if (this.#told?.of !== of || this.#told.environ !== environ) {
      this.#told = { of, environ, worker: asTold(of, environ) };
    }
    return this.#told.worker;
  }

  get known(): ReadonlyMap<string, number> {
    return this.#known;
  }

  get health(): ServiceState['health'] {
    return this.#health;
  }

  /** Those that serve; a service without workers is its own. */
  get serving(): readonly Process[] {
    const { workers, master } = this.service;
    return workers.length > 0 || master === null ? workers : [master];
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
    this.#root = givenRoot(path);
  }

  /** Epoch milliseconds. */
  startOf(worker: Process): number {
    return this.#known.get(processKey(worker)) ?? startedAt(worker);
  }

  /** Where it is asked; null while it does not listen. */
  get asked(): Asked | null {
    const { wishes } = this.#options;
    const { port, healthPath } = wishes.routes();
    const named = this.#named?.port === port ? this.#named : null;
    const at =
      port === undefined ? this.service.listener : (named ?? { host: '127.0.0.1', port, loopback: false, inode: '' });
    const guessed = wishes.get('healthPath') === undefined && this.#worker?.server !== 'azmlinfsrv';
    return at && { listener: at, path: healthPath, guessed };
  }

  /** Whether there is memory for so many more workers like the largest. */
  fits(workers: number): boolean {
    const available = availableMemory();
    const largest = Math.max(0, ...this.service.workers.map(({ pid }) => residentOf(pid) ?? 0));
    return available === null || available >= largest * ROOM * workers;
  }

  /** One after the other, each begun after it was asked for. */
  look(): Promise<void> {
    const look = this.#looking.then(() => this.#look());
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async #look(): Promise<void> {
    const before = this.#found;
    const seen = await findService(this.#options.self, before, this.#known);
    const apart = this.#options.apart();
    const found = { ...seen, workers: seen.workers.filter(({ pid }) => !apart.has(pid)) };
    this.#found = found;
    const isNew = found.master?.pid !== before?.master?.pid;
    const { port } = this.#options.wishes.routes();
    if (port !== undefined && (isNew || this.#named?.port !== port)) {
      this.#named = listeners().find((one) => one.port === port) ?? null;
    }
    if (found.worker !== null) this.#worker = found.worker;
    if (found.master !== null) {
      for (const worker of found.workers) {
        const key = processKey(worker);
        if (!this.#known.has(key)) this.#known.set(key, startedAt(worker));
      }
    }
    if (found.master === null) this.#health = 'unreachable';
    else if (isNew) this.#healthAt = 0;
    await this.#options.onLook(found, this.#worker);
  }

  get isHealthDue(): boolean {
    const pause = this.#health === 'healthy' ? HEALTH_MS : UNWELL_MS;
    return this.#options.now() - this.#healthAt >= pause;
  }

  /** `isStill`: the answer counts. Waited for by nobody: a busy worker answers late. */
  askHealth(isStill: () => boolean, onAnswer: () => void): void {
    const { asked } = this;
    this.#healthAt = this.#options.now();
    if (asked === null) return;
    const master = this.service.master?.pid;
    void askHealth(asked, HEALTH_TIMEOUT_MS).then((health) => {
      if (this.service.master?.pid !== master || !isStill()) return;
      this.#health = health;
      onAnswer();
    });
  }

  /** Until the health path answers, the service is down, or `ms` have passed. */
  async awaitAnswer(ms: number): Promise<ServiceState['health']> {
    const end = Date.now() + ms;
    let downSince: number | null = null;
    while (Date.now() < end) {
      await sleep(LOOK_FAST_MS);
      await this.look();
      const { master, folder } = this.service;
      if (master === null) {
        // A server that is not gunicorn is found by its socket: while runit runs it, it is on its way there.
        if (folder !== null && supervised(folder)?.startsWith('run') === true) downSince = null;
        downSince ??= Date.now();
        if (Date.now() - downSince > DOWN_MS) break;
        continue;
      }
      downSince = null;
      const { asked } = this;
      if (asked === null) continue; // it does not listen yet
      this.#healthAt = this.#options.now();
      this.#health = await askHealth(asked, end - Date.now());
      if (this.#health !== 'unreachable') break;
    }
    return this.#health;
  }
}
