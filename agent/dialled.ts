/** Workers that dial out to a debugger, as AZUREML_DEBUG_PORT makes them: their connections go to the console's editor. */
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../shared/core/errors.ts';
import type { Peer } from '../shared/link/peer.ts';
import { joinSocket } from '../shared/link/socket.ts';

export class DialledPort {
  readonly #peer: () => Promise<Peer>;
  #server: Server | null = null;

  /** `peer`: the console's bulk connection. */
  constructor(peer: () => Promise<Peer>) {
    this.#peer = peer;
  }

  /** On the container's loopback; null: no longer. */
  async listen(port: number | null): Promise<void> {
    this.#server?.close();
    this.#server = null;
    if (port === null) return;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      const waiting = new Waiting(socket);
      const opened = this.#peer().then((peer) => peer.open('dialled', {}, waiting.gone));
      opened.then(
        ({ stream }) => {
          waiting.over();
          joinSocket(socket, stream, () => stream.destroy());
        },
        () => {
          waiting.over();
          if (waiting.gone.aborted) socket.destroy();
          else void release(socket);
        },
      );
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new DrydockError('taken', `Nobody can listen on port ${port} in the container: ${cause.message}.`, {
            hint: 'Another program there has it: name another port, in AZUREML_DEBUG_PORT as well.',
            cause,
          }),
        ),
      );
      server.listen({ host: '127.0.0.1', port }, resolve);
    });
    this.#server = server;
  }
}

/** Bytes that are kept until an editor reads them. The adapter has the first word: who says more before it is no debuggee. */
const MAX_EARLY = 64 * 1024;

/** A process that waits until an editor has it; one that ends meanwhile is not to be given to it. */
class Waiting {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #early: Buffer[] = [];
  #bytes = 0;
  readonly #hold = (data: Buffer): void => {
    this.#early.push(data);
    this.#bytes += data.length;
    if (this.#bytes > MAX_EARLY) this.#socket.destroy();
  };
  readonly #leave = (): void => this.#gone.abort();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#hold).once('end', this.#leave).once('close', this.#leave);
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  over(): void {
    this.#socket.off('data', this.#hold).off('end', this.#leave).off('close', this.#leave).pause();
    if (!this.gone.aborted) this.#socket.unshift(Buffer.concat(this.#early));
  }
}

/** What debugpy's own adapter says to a process that no editor takes (debugpy/adapter/servers.py). */
const UNBLOCK = [
  ['initialize', { adapterID: 'debugpy' }],
  ['attach', {}],
  ['configurationDone', {}],
] as const;

/** From the answer to the last of them until the code that waits in `wait_for_client` has left it. Milliseconds. */
const LEAVE_MS = 1_000;

/** Lets a process go on that has connected to a debugger which nobody has: closed without a word, it would wait for ever. */
async function release(socket: Socket): Promise<void> {
  const told = new Promise<void>((resolve) => {
    let tail = '';
    socket.on('data', (data) => {
      tail = (tail + data.toString('latin1')).slice(-4096);
      if (tail.includes('"configurationDone"')) resolve();
    });
    socket.once('end', resolve).once('close', () => resolve());
  });
  socket.resume();
  for (const [n, [command, args]] of UNBLOCK.entries()) {
    const body = JSON.stringify({ seq: n + 1, type: 'request', command, arguments: args });
    socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  await told;
  await sleep(LEAVE_MS, undefined, { ref: false });
  socket.destroy();
}
