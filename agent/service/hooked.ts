/** Keeps the hook in the gunicorn master that serves: brings it in once a master, listens to it, takes it out again. */
import { statSync } from 'node:fs';
import type { PythonFailure } from '../../shared/core/service.ts';
import { HookChannel } from '../hook/channel.ts';
import { inject, restoreConfig } from '../hook/inject.ts';
import type { CandidateDebug, Captured, Promoted, WorkerExit } from '../hook/messages.ts';
import type { Environment } from './environment.ts';
import { fromHookFailure } from './failure.ts';
import { processKey, type FoundService } from './find.ts';
import { gunicornSettings } from './gunicorn.ts';
import type { Self } from './read-worker.ts';
import type { WorkerContext } from './worker.ts';

export interface HookKeeperOptions {
  readonly hookDir: string;
  readonly build: string;
  readonly self: Self;
  readonly root: () => string;
  readonly log: (text: string) => void;
  readonly onChange: () => void;
  readonly onExit: (exit: WorkerExit) => void;
  /** All workers that run are about to be replaced. */
  readonly onReplace: () => void;
  /** A fork of the master that serves nobody. */
  readonly onApart: (pid: number) => void;
  /** A debugger listens in a candidate, or does not. */
  readonly onDebug: (debug: CandidateDebug) => void;
  /** A request passed a worker. */
  readonly onCaptured: (captured: Captured) => void;
}

export class HookKeeper {
  readonly #options: HookKeeperOptions;
  #channel: HookChannel | null = null;
  /** Key of the master that was tried last. */
  #master: string | null = null;
  #why = 'no gunicorn was found';
  #held: PythonFailure | null = null;
  #environ: Environment | null = null;
  /** Folders of installed packages as they were when the master imported modules from them. */
  #packages: Readonly<Record<string, number>> | null = null;
  #warmed = false;
  /** Modules that the master has imported for its workers. */
  #isWarm = false;
  /** A fresh start does not do what a warm worker did. */
  #distrusted = false;
  /** Forks of the master that look like its workers and serve nobody: candidates, and what tries imports out. */
  readonly apart = new Set<number>();
  #queue: Promise<void> = Promise.resolve();

  constructor(options: HookKeeperOptions) {
    this.#options = options;
  }

  get channel(): HookChannel | null {
    return this.#channel;
  }

  /** Why there is none. */
  get why(): string {
    return this.#why;
  }

  /** The failure of a worker that answers 503 with it. */
  get held(): PythonFailure | null {
    return this.#held;
  }

  /** `os.environ` of the workers that serve, as it was told; null where nobody tells. */
  get environ(): Environment | null {
    return this.#channel && this.#environ;
  }

  /** Once a master; one after the other. `mayInject` is false for who may only look whether it is there. */
  ensure(found: FoundService, preload: boolean, mayInject: boolean): Promise<void> {
    this.#queue = this.#queue
      .then(() => this.#ensure(found, preload, mayInject))
      .catch((error: unknown) => {
        this.#why = `the hook failed: ${String(error)}`;
        this.#options.log(this.#why);
      });
    return this.#queue;
  }

  async #ensure(found: FoundService, preload: boolean, mayInject: boolean): Promise<void> {
    if (this.#channel !== null || found.master === null) return;
    const why = await this.#bring(found, preload, mayInject);
    if (why === null) return;
    this.#why = why;
    this.#options.onChange();
  }

  /** Why the hook is not in; null when it is, or was tried before. */
  async #bring(
    { master, worker, workers }: FoundService,
    preload: boolean,
    mayInject: boolean,
  ): Promise<string | null> {
    if (master === null) return null;
    const key = processKey(master);
    const seen = this.#master === key;
    if (seen && (this.#why !== NOT_YET || !mayInject)) return null;
    this.#master = key;
    this.#held = null;
    if (worker === null) return `the process ${master.pid} can't be read`;
    if (worker.server === 'other') return 'the service is not gunicorn';
    const there = seen ? null : await HookChannel.open(master.pid, this.#options.build);
    if (there !== null) {
      this.#listen(there);
      return null;
    }
    if (preload || declaresPreload(worker)) return 'gunicorn runs with --preload: only a restart loads new code';
    if (!mayInject) return NOT_YET;
    if (workers.length === 0) {
      this.#master = null; // it starts, or fails at it
      return 'gunicorn has no worker yet';
    }
    restoreConfig(master, worker);
    const { self, hookDir, build, root, onReplace } = this.#options;
    onReplace(); // a HUP brings it in
    const result = await inject({ master, worker, self, hookDir, build, root: root() });
    if ('why' in result) return result.why;
    this.#listen(result.channel);
    return null;
  }

  #listen(channel: HookChannel): void {
    this.#channel = channel;
    const { packages, held, environ } = channel.hello;
    this.#environ = environ;
    this.#packages = packages;
    this.#held = held && fromHookFailure(held);
    this.#warmed = false;
    this.#isWarm = packages !== null;
    channel.on((message) => {
      if ('apart' in message) {
        this.apart.add(message.apart.pid);
        this.#options.onApart(message.apart.pid);
        return;
      }
      if ('captured' in message) return this.#options.onCaptured(message.captured);
      if ('debug' in message) return this.#options.onDebug(message.debug);
      if ('promoted' in message) this.apart.delete(message.promoted.pid);
      if ('joined' in message) this.apart.delete(message.joined.pid);
      if ('promoted' in message) this.#environ = message.promoted.environ;
      if ('ready' in message) this.#environ = message.ready.environ;
      if ('held' in message) this.#held = fromHookFailure(message.held.failure);
      else if ('ready' in message || 'promoted' in message) this.#held = null;
      else if ('exit' in message) this.#options.onExit(message.exit);
      else return;
      this.#options.onChange();
    });
    void channel.closed.then(() => {
      if (this.#channel !== channel) return;
      this.#channel = null;
      this.#held = null;
      this.#master = null;
      this.#why = 'the hook went away';
      this.#options.onChange();
    });
    this.#options.onChange();
  }

  /** Lets the master import what its workers import anyway; once a master. */
  async warm({ modules, sites }: Promoted): Promise<void> {
    if (this.#channel === null || this.#warmed || this.#distrusted) return;
    this.#warmed = true;
    this.#packages ??= Object.fromEntries(sites.map((site) => [site, mtimeOf(site)]));
    const warmed = await this.#channel.warm(modules, sites);
    if (warmed === null) return;
    this.#isWarm ||= warmed.modules.length > 0;
    const refused = Object.entries(warmed.refused).map(([name, reason]) => `${name} (${reason})`);
    this.#options.log(
      `the master has imported ${warmed.modules.length} modules in ${Math.round(warmed.ms)} ms` +
        (refused.length === 0 ? '' : `, without ${refused.join(', ')}`),
    );
  }

  /** Whether workers inherit imported packages. */
  get isWarm(): boolean {
    return this.#channel !== null && this.#isWarm;
  }

  /** Nothing is imported ahead any more; what is there goes with a restart. */
  distrust(): void {
    this.#distrusted = true;
  }

  /**
   * Whether only a restart of the master gives what a fresh start would: packages were installed or removed since it imported
   * some, or what it has imported makes a difference.
   */
  needsRestart(): boolean {
    if (this.#distrusted && this.#isWarm) return true;
    return Object.entries(this.#packages ?? {}).some(([site, mtime]) => mtimeOf(site) !== mtime);
  }

  /** Takes out what was brought in, by whomever, and lets go of what came with the process. */
  release(): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      const channel = this.#channel;
      this.#channel = null;
      this.#master = null;
      if (channel === null) return;
      if (channel.hello.injected) await channel.uninstall();
      else channel.close();
    });
    return this.#queue;
  }
}

/** Milliseconds; a package that comes or goes changes its folder's. */
const mtimeOf = (path: string): number => Math.floor(statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);

function declaresPreload({ server, command, environ, cwd }: WorkerContext): boolean {
  if (server === 'azmlinfsrv') return environ['WORKER_PRELOAD']?.toLowerCase() === 'true';
  return gunicornSettings(command, environ, cwd).preload === true;
}

const NOT_YET = 'the hook stays out: --no-hook, or nobody is attached';
