/** How others come to the service from inside the container: with its environment, over its port, through its door. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import type { GateRequest } from '../hook/messages.ts';
import { boot } from './boot.ts';
import { hasDoor, type WorkerDebugger } from './debugger.ts';
import type { DoorCapture } from './door-capture.ts';
import { explained } from './failure.ts';
import type { Asked } from './health.ts';
import type { HookKeeper } from './hooked.ts';
import { ownerOf } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';
import type { Sight } from './sight.ts';
import { userScript } from './user-script.ts';
import type { Wishes } from './wishes.ts';
import type { ShellContext } from './worker.ts';

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

export interface AccessOptions {
  readonly kitDir: string;
  readonly self: Self;
  readonly sight: Sight;
  readonly wishes: Wishes;
  readonly hook: HookKeeper;
  readonly debugger: WorkerDebugger;
  readonly doors: DoorCapture;
  /** Of a boot, milliseconds. */
  readonly deadlineMs: number;
}

/** A master that lives says its last request at once. */
const HOOK_MS = 2_000;

export class ServiceAccess {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  async workerContext(): Promise<ShellContext> {
    const { sight, self } = this.#options;
    await sight.look();
    const { worker } = sight;
    if (worker !== null) {
      return { worker, env: worker.env, cwd: sight.root().path, uid: worker.uid, gid: worker.gid };
    }
    const first = await readProcess(1, self);
    const owner = ownerOf(1) ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    return { worker: null, env: first?.environ ?? {}, cwd: first?.cwd ?? '/', ...owner };
  }

  /** Where the service is asked, and with what. */
  async target(): Promise<ServiceTarget> {
    const { sight, wishes, hook } = this.#options;
    await sight.look();
    const sample = wishes.sample();
    // A master that hangs does not answer, and is what somebody asks about.
    const last = sample === null ? hook.channel?.request() : undefined;
    const request = sample ?? (await Promise.race([last, sleep(HOOK_MS, null, { ref: false })])) ?? null;
    return {
      asked: sight.asked,
      portSource: sight.service.portSource,
      request,
      isSample: sample !== null,
      scorePath: wishes.routes().scorePath,
    };
  }

  /** The same without what it is asked, as it was last seen: nothing is looked at where it is known. */
  async listens(): Promise<Asked | null> {
    const { sight } = this.#options;
    if (sight.asked === null) await sight.look();
    return sight.asked;
  }

  /** Whether a worker that serves tells of the requests that it answers. */
  isHooked(): boolean {
    const { hook, sight, doors } = this.#options;
    return doors.tells(sight.serving) || (hook.channel !== null && sight.serving.some(({ pid }) => hasDoor(pid)));
  }

  /** A failure with what to do about it. */
  explained(failure: PythonFailure): PythonFailure {
    const { sight } = this.#options;
    return sight.worker === null ? failure : explained(failure, sight.worker, sight.root().path);
  }

  /** What the code on disk raises in a fresh process on that request; null where it does not, or cannot be asked so. */
  async askFresh(request: GateRequest): Promise<PythonFailure | null> {
    const { sight, kitDir, deadlineMs } = this.#options;
    const { worker } = sight;
    if (worker === null || !sight.fits(1)) return null;
    const outcome = await boot(worker, {
      python: join(kitDir, 'python'),
      root: sight.root().path,
      deadlineMs,
      request,
      once: true,
      signal: new AbortController().signal,
    });
    return outcome?.error ?? outcome?.answered?.failure ?? null;
  }

  /** A worker that can be forked for a prompt. Throws where none can. */
  async door(): Promise<ServiceDoor> {
    const { sight } = this.#options;
    await sight.look();
    const { pid } = await this.#options.debugger.door();
    const { worker } = sight;
    if (worker === null) throw new DrydockError('not-running', 'No scoring service runs in the container.');
    const { entryScript, interpreter } = worker;
    const entries = entryScript === null ? [] : [...new Set([userScript(entryScript), entryScript])];
    return { pid, interpreter, entries };
  }
}
