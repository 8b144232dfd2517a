/**
 * What has dialled out to a debugger in the container goes to the editor that listens on this machine. An editor has one
 * process at a time: the newest. What listens for it is a debug adapter, which takes one and lets others go undebugged, until
 * the editor has been told that its process has ended and has started another adapter.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import { joinSocket } from '../../shared/link/socket.ts';

export interface DialledOptions {
  /** Of this machine, at which the editor listens. */
  readonly port: number;
  /** For how long one that has dialled waits for the editor. */
  readonly timeoutMs: number;
  /** One has dialled, and nobody listens yet. */
  readonly onWaiting: () => void;
  readonly onConnected: () => void;
  /** None came for it: it goes on undebugged. */
  readonly onGivenUp: () => void;
}

/** Between two looks whether somebody listens. */
const LOOK_MS = 100;
/** Whether the adapter of a session that has ended is gone: shorter than an editor needs to start the next one. */
const GONE_LOOK_MS = 20;
/** An editor that keeps its adapter does not come back. */
const GONE_MS = 10_000;

export class DialledEditor {
  readonly #options: DialledOptions;
  #current: MuxStream | null = null;
  /** The adapter of the last session is no more. */
  #gone: Promise<void> = Promise.resolve();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DialledOptions) {
    this.#options = options;
  }

  /** Resolves once the editor has it. Rejects where none comes in time. */
  take(stream: MuxStream): Promise<void> {
    const taken = this.#turn.then(() => this.#take(stream));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #take(stream: MuxStream): Promise<void> {
    const before = this.#current;
    if (before !== null) {
      const closed = once(before, 'close');
      before.destroy(); // its code goes on where it stands
      await closed;
    }
    await this.#gone;
    const socket = await this.#dial(stream);
    if (stream.destroyed) {
      socket.destroy();
      throw gone();
    }
    this.#current = stream;
    stream.once('close', () => {
      this.#current = null;
      this.#gone = this.#untilGone();
    });
    joinSocket(socket, stream, () => stream.finish({}));
    this.#options.onConnected();
  }

  async #dial(stream: MuxStream): Promise<Socket> {
    const { port, timeoutMs, onWaiting, onGivenUp } = this.#options;
    const end = performance.now() + timeoutMs;
    for (let told = false; ; told = true) {
      // The editor's session would begin and end with one that has gone meanwhile.
      if (stream.destroyed) throw gone();
      const result = await connect(port);
      if (!(result instanceof Error)) return result;
      if (performance.now() >= end) {
        onGivenUp();
        throw new DrydockError('io', `Nothing listens on port ${port} of this machine: ${result.message}.`, {
          hint: 'Start the debugger in the editor (F5): it is what listens.',
          cause: result,
        });
      }
      if (!told) onWaiting();
      await sleep(LOOK_MS);
    }
  }

  /** The adapter makes nothing of a connection that ends at once; one that has no session yet would end with it. */
  async #untilGone(): Promise<void> {
    const end = performance.now() + GONE_MS;
    while (performance.now() < end) {
      const result = await connect(this.#options.port);
      if (result instanceof Error) return;
      result.destroy();
      await sleep(GONE_LOOK_MS);
    }
  }
}

const gone = (): DrydockError => new DrydockError('cancelled', 'The process that dialled out has ended.');

function connect(port: number): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.once('connect', () => {
      socket.removeListener('error', resolve);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', resolve);
  });
}
