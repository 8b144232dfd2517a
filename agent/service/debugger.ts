/** Keeps a debugger listening in one worker for as long as somebody wants it: in the one that serves, and in new code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { DrydockError } from '../../shared/core/errors.ts';
import type { DebuggerState, ReloadResult } from '../../shared/core/service.ts';
import type { HookChannel } from '../hook/channel.ts';
import type { CandidateDebug } from '../hook/messages.ts';
import { parseFacts, runPython } from './python.ts';
import { isAlive, processOf, type Process } from './procfs.ts';
import type { WorkerContext } from './worker.ts';

/** agent/hook/python/drydock_hook/door.py: SIGRTMIN+11, which glibc begins to count at 34. */
const DOOR_SIGNAL = 45n;

/** As agent/python/debug.py answers. */
const answerSchema = z.union([
  z.object({ port: z.int().min(1).max(65_535), version: z.string(), own: z.boolean() }),
  z.object({ error: z.string() }),
]);

export interface DebuggerOptions {
  readonly kitDir: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly onChange: () => void;
  readonly channel: () => HookChannel | null;
  /** Why the hook is not there. */
  readonly why: () => string;
  /** Those that serve, and how Python is run as they run it. */
  readonly serving: () => { readonly workers: readonly Process[]; readonly context: WorkerContext | null };
  /** Resolves when what `serving` tells is what the reload made. */
  readonly reload: () => Promise<ReloadResult>;
  /** Resolves when what `serving` tells is of after this call. */
  readonly look: () => Promise<void>;
}

/** How long an editor that comes back waits for the next worker, and the pause between two looks. */
const NEXT_MS = 20_000;
const NEXT_LOOK_MS = 50;

interface Listening {
  readonly process: Process;
  readonly port: number;
  readonly version: string;
  readonly own: boolean;
}

export class WorkerDebugger {
  readonly #options: DebuggerOptions;
  readonly #wishers = new Set<symbol>();
  /** Of those to whom workers may dial out: whichever does may stand. */
  readonly #dialled = new Set<symbol>();
  /** In the order in which they came: where the last one that lives is, is debugged. */
  #listening: readonly Listening[] = [];
  #clients = 0;
  #waitsUntil: number | null = null;
  #trouble: string | null = null;
  /** The last words to the hook, and which hook that was. */
  #told: { readonly channel: HookChannel; readonly text: string } | null = null;
  /** One knocks at a time. */
  #keeping: Promise<void> | null = null;
  /** Called when a debugger listens, or why none does is known. */
  #heard: () => void = () => undefined;

  constructor(options: DebuggerOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#wishers.size > 0;
  }

  /** Whether code may stand at a breakpoint. */
  get mayStand(): boolean {
    return this.isOn || this.#dialled.size > 0;
  }

  state(): DebuggerState | null {
    if (!this.isOn) return null;
    const target = this.#target();
    return {
      pid: target?.process.pid ?? null,
      version: target?.version ?? null,
      own: target?.own ?? false,
      clients: this.#clients,
      waitsUntil: this.#waitsUntil,
      trouble: target === undefined ? (this.#trouble ?? this.#nobody()) : null,
    };
  }

  /** `wait`, in seconds: the code on disk is booted anew, and held before its import until a client has come. */
  async want(client: symbol, wait?: number): Promise<DebuggerState> {
    this.#wishers.add(client);
    this.#trouble = null;
    this.#tellHook(wait ?? null);
    await this.#options.look(); // a reload may have just replaced what was seen last
    if (wait === undefined) await this.keep();
    else await this.#hold();
    this.#options.onChange();
    return this.state() ?? NONE;
  }

  drop(client: symbol): void {
    if (!this.#wishers.delete(client) || this.isOn) return;
    this.#listening = []; // asked again, the worker says its port again
    this.#tellHook(null);
    this.#options.onChange();
  }

  /** Whether workers that dial out find somebody. */
  dialled(client: symbol, on: boolean): void {
    if (on) this.#dialled.add(client);
    else if (!this.#dialled.delete(client)) return;
    this.#tellHook(null);
  }

  /** Of a candidate. */
  heard({ pid, port, version, own, waits, error }: CandidateDebug): void {
    const process = processOf(pid);
    this.#waitsUntil = waits === undefined || waits === null ? null : this.#options.now() + waits * 1000;
    if (error !== undefined) this.#trouble = error;
    else if (process !== null && port !== undefined) {
      this.#listening = [
        ...this.#listening.filter((one) => one.process.pid !== pid && isAlive(one.process)),
        { process, port, version: version ?? '', own: own ?? false },
      ];
    }
    this.#heard();
    this.#options.onChange();
  }

  /** The code is not held any more: it has come, or it was rejected. */
  settled(): void {
    this.#waitsUntil = null;
  }

  /** The port in the container, and whose: of a worker that has just been replaced by another the next one is waited for. */
  async target(): Promise<{ readonly pid: number; readonly port: number }> {
    const end = performance.now() + NEXT_MS;
    while (this.#target() === undefined && this.isOn && performance.now() < end) {
      await this.#options.look();
      await this.keep();
      if (this.#target() === undefined) await sleep(NEXT_LOOK_MS);
    }
    const target = this.#target();
    if (target !== undefined) return { pid: target.process.pid, port: target.port };
    const why = this.#trouble === null ? '' : `: ${this.#trouble}`;
    throw new DrydockError('io', `No debugger listens in the service${why}.`, {
      hint: 'Turn it on: drydock debug, or d in the console.',
    });
  }

  /** A connection to the debugger; returns its end. */
  connected(): () => void {
    const count = (by: number): void => {
      this.#clients += by;
      this.#options.onChange();
    };
    count(1);
    return () => {
      count(-1);
    };
  }

  /** Sees to it that one of the workers that serve is debugged. */
  keep(): Promise<void> {
    this.#keeping ??= this.#keep().finally(() => (this.#keeping = null));
    return this.#keeping;
  }

  /** One that serves and can be asked for a fork; the code on disk is booted anew where none is. */
  async door(): Promise<Process> {
    const there = this.#withDoor();
    if (there !== undefined) return there;
    const result = await this.#reloadForDoor();
    const now = this.#withDoor();
    if (now !== undefined) return now;
    throw new DrydockError('not-well', `No process of the service can be entered: ${this.#whyNot(result)}.`, {
      hint: HINT,
    });
  }

  #target(): Listening | undefined {
    return this.#listening.findLast(({ process }) => isAlive(process));
  }

  /** The newest. */
  #withDoor(): Process | undefined {
    const { workers } = this.#options.serving();
    return [...workers].sort((a, b) => b.startTicks - a.startTicks).find(({ pid }) => hasDoor(pid));
  }

  #nobody(): string | null {
    const { workers } = this.#options.serving();
    return workers.length === 0 ? 'no worker serves; `drydock reload` starts one, or says why none starts' : null;
  }

  #reloadForDoor(): Promise<ReloadResult> | null {
    return this.#options.channel() === null ? null : this.#options.reload();
  }

  #whyNot(result: ReloadResult | null): string {
    if (result === null) return this.#options.why();
    const { error } = result;
    return error === undefined ? 'the worker that was started for it is gone' : `${error.type}: ${error.message}`;
  }

  async #keep(): Promise<void> {
    if (this.mayStand) this.#tellHook(null);
    if (!this.isOn) return;
    const { workers, context } = this.#options.serving();
    const target = this.#target();
    // One that does not serve yet is a candidate: its turn comes.
    if (target !== undefined && !this.#isPast(target.process, workers)) return;
    if (context === null || workers.length === 0) return;
    const there = this.#withDoor();
    if (there === undefined) {
      if (this.#trouble !== null) return; // it was tried
      const result = await this.#reloadForDoor();
      if (this.#target() === undefined) this.#trouble ??= this.#whyNot(result);
      return;
    }
    const bundled = join(this.#options.kitDir, 'debugpy');
    const { answer, output } = await runPython(this.#options.kitDir, 'debug.py', context, { pid: there.pid, bundled });
    const told = parseFacts(answerSchema, answer);
    if (told === null) this.#trouble = output.trim().split('\n').at(-1) ?? 'the worker did not answer';
    else if ('error' in told) this.#trouble = told.error;
    else this.#listening = [...this.#listening, { process: there, ...told }];
    this.#tellHook(null);
    this.#options.onChange();
  }

  /** Replaced by workers that are younger. */
  #isPast(process: Process, workers: readonly Process[]): boolean {
    const serves = workers.some(({ pid, startTicks }) => pid === process.pid && startTicks === process.startTicks);
    return !serves && workers.some(({ startTicks }) => startTicks > process.startTicks);
  }

  async #hold(): Promise<void> {
    if (this.#options.channel() === null) {
      this.#trouble = `the code can be held before its import only by the hook: ${this.#options.why()}`;
      return;
    }
    const heard = new Promise<void>((resolve) => (this.#heard = resolve));
    const reload = this.#options.reload().then((result) => {
      this.#tellHook(null);
      if (this.#target() === undefined) this.#trouble ??= this.#whyNot(result);
    });
    await Promise.race([heard, reload]);
  }

  #tellHook(waits: number | null): void {
    const channel = this.#options.channel();
    if (channel === null) return;
    this.#listening = this.#listening.filter(({ process }) => isAlive(process));
    const bundled = this.isOn ? join(this.#options.kitDir, 'debugpy') : null;
    const stands = this.#dialled.size > 0 ? this.#options.serving().workers : [];
    const debugged = this.isOn ? this.#listening.map(({ process }) => process) : [];
    const pids = [...debugged, ...stands].map(({ pid }) => pid);
    const message = { do: 'debug', bundled, waits, pids } as const;
    const text = JSON.stringify(message);
    if (this.#told === null && !this.mayStand) return;
    if (this.#told?.channel === channel && this.#told.text === text) return;
    this.#told = { channel, text };
    channel.say(message);
  }
}

const NONE: DebuggerState = { pid: null, version: null, own: false, clients: 0, waitsUntil: null, trouble: null };

const HINT =
  'A container that was started by `drydock run IMAGE` can be entered whatever serves in it; so can gunicorn with its workers booted by Drydock.';

/** Whether it is entered by a signal (agent/hook/python/drydock_hook/door.py). */
export function hasDoor(pid: number): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    return ((BigInt(`0x${caught}`) >> (DOOR_SIGNAL - 1n)) & 1n) === 1n;
  } catch {
    return false;
  }
}
