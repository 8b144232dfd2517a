/** The agent's end of the hook: one connection to the abstract Unix socket of gunicorn's master. */
import { readlinkSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import {
  fromHook,
  type FromHook,
  type GateRequest,
  type HookHello,
  type Passed,
  type Promoted,
  type Rejected,
  type Settled,
  type ToHook,
  type Warmed,
} from './messages.ts';

/** Characters of a line; a longer one is no message of ours. */
const MAX_LINE = 32 * 1024 * 1024;
/** A hook that is there says so at once. */
const HELLO_MS = 5_000;

export interface CandidateWishes {
  readonly generation: number;
  readonly root: string;
  readonly entry: string | null;
  readonly deadlineMs: number;
  readonly alone: boolean;
  readonly gate: Extract<ToHook, { do: 'candidate' }>['gate'];
  /** Ends the candidate; the outcome is then null. */
  readonly signal: AbortSignal;
  /** `import`, `init`, `gate`, and `exclusive` when the old workers have to go first. */
  readonly onStage: (stage: string) => void;
}

export type CandidateOutcome =
  | { readonly kind: 'promoted'; readonly promoted: Promoted; readonly settled: Promise<Settled | null> }
  | { readonly kind: 'rejected'; readonly rejected: Rejected };

type Listener = (message: FromHook) => void;

export class HookChannel {
  readonly hello: HookHello;
  /** Resolves when the hook is gone: the master ended, it was uninstalled, or another agent came. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #listeners = new Set<Listener>();

  private constructor(socket: Socket, hello: HookHello, lines: (listener: Listener) => void) {
    this.#socket = socket;
    this.hello = hello;
    lines((message) => {
      for (const listener of [...this.#listeners]) listener(message);
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Null when no hook of this build listens in that master. One of another build is taken out. */
  static async open(masterPid: number, build: string): Promise<HookChannel | null> {
    const channel = await HookChannel.#connect(masterPid);
    if (channel === null || channel.hello.build === build) return channel;
    await channel.uninstall();
    return null;
  }

  static #connect(masterPid: number): Promise<HookChannel | null> {
    return new Promise((resolve) => {
      const socket = createConnection({ path: socketName(masterPid) });
      const timer = setTimeout(() => socket.destroy(), HELLO_MS);
      let listener: Listener = (message) => {
        if (!('hello' in message)) return;
        clearTimeout(timer);
        resolve(new HookChannel(socket, message.hello, (next) => (listener = next)));
      };
      createInterface({ input: socket })
        .on('line', (line) => {
          const message = line.length > MAX_LINE ? null : parse(line);
          if (message !== null) listener(message);
        })
        .on('error', () => socket.destroy()); // it repeats the socket's
      socket.once('close', () => {
        clearTimeout(timer);
        resolve(null);
      });
    });
  }

  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(message: ToHook): void {
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Boots the code on disk in a candidate worker. Null when it was aborted or superseded, or the hook went away. */
  async candidate(wishes: CandidateWishes): Promise<CandidateOutcome | null> {
    const { generation, signal, onStage, deadlineMs, ...rest } = wishes;
    if (signal.aborted) return null;
    const settled = Promise.withResolvers<Settled | null>();
    const outcome = Promise.withResolvers<CandidateOutcome | null>();
    const stop = this.on((message) => {
      if ('candidate' in message && message.candidate.generation === generation) onStage(message.candidate.stage);
      else if ('promoted' in message && message.promoted.generation === generation) {
        outcome.resolve({ kind: 'promoted', promoted: message.promoted, settled: settled.promise });
      } else if ('rejected' in message && message.rejected.generation === generation) {
        outcome.resolve(
          message.rejected.failure === undefined ? null : { kind: 'rejected', rejected: message.rejected },
        );
      } else if ('settled' in message && message.settled.generation === generation) settled.resolve(message.settled);
    });
    void this.closed.then(() => {
      outcome.resolve(null);
      settled.resolve(null);
    });
    const abort = (): void => {
      this.say({ do: 'cancel' });
      outcome.resolve(null);
    };
    signal.addEventListener('abort', abort);
    this.say({ do: 'candidate', generation, deadline: deadlineMs / 1000, ...rest });
    const end = await outcome.promise;
    signal.removeEventListener('abort', abort);
    if (end?.kind === 'promoted') void settled.promise.then(stop);
    else stop();
    return end;
  }

  /** Imports in the master what is safe there. Null when the hook went away. */
  warm(modules: readonly string[], sites: readonly string[]): Promise<Warmed | null> {
    return this.#answer({ do: 'warm', modules, sites }, (message) => ('warmed' in message ? message.warmed : null));
  }

  /** What the code that serves has passed the gate with. Null when there was no request, or the hook went away. */
  async passed(): Promise<Passed> {
    const told = await this.#answer({ do: 'passed' }, (message) => ('passed' in message ? message : null));
    return told?.passed ?? null;
  }

  /** The last good request that a worker answered. Null when there was none, or the hook went away. */
  async request(): Promise<GateRequest | null> {
    const told = await this.#answer({ do: 'request' }, (message) => ('request' in message ? message : null));
    return told?.request ?? null;
  }

  /** Leaves the master as it was found. */
  async uninstall(): Promise<void> {
    await this.#answer({ do: 'uninstall' }, (message) => ('uninstalled' in message ? true : null));
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  #answer<T>(question: ToHook, pick: (message: FromHook) => T | null): Promise<T | null> {
    return new Promise((resolve) => {
      const stop = this.on((message) => {
        const answer = pick(message);
        if (answer === null) return;
        stop();
        resolve(answer);
      });
      void this.closed.then(() => {
        stop();
        resolve(null);
      });
      this.say(question);
    });
  }
}

/** As agent/hook/python/drydock_hook/channel.py computes it. The agent shares the master's mount namespace. */
export function socketName(masterPid: number): string {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/mnt'))?.[0] ?? '0';
  return `\0drydock-hook-${namespace}-${masterPid}`;
}

function parse(line: string): FromHook | null {
  try {
    return fromHook.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
