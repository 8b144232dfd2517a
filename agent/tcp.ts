/** TCP connections to and from the container's own loopback, for ports that are not published. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { DrydockError } from '../shared/core/errors.ts';
import type { MuxStream } from '../shared/link/mux-stream.ts';
import type { Peer } from '../shared/link/peer.ts';

export async function openTcp(port: number, stream: MuxStream): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) =>
      reject(
        new DrydockError('io', `Nothing answers on port ${port} in the container: ${error.message}.`, {
          hint: 'The service may still be starting, or listen on another port: name it with --port.',
        }),
      ),
    );
  });
  join(socket, stream);
}

function join(socket: Socket, stream: MuxStream): void {
  socket.setNoDelay(true);
  stream.pipe(socket);
  socket.pipe(stream);
  socket.once('error', () => stream.destroy());
  socket.once('close', () => stream.finish({}));
  stream.once('close', () => socket.destroy());
}

/** A port of the container's loopback at which somebody in it dials out: each connection goes to the console. */
export class DialledPort {
  readonly #peer: () => Promise<Peer>;
  #server: Server | null = null;

  /** `peer`: the console's bulk connection. */
  constructor(peer: () => Promise<Peer>) {
    this.#peer = peer;
  }

  /** Null: no longer. */
  async listen(port: number | null): Promise<void> {
    this.#server?.close();
    this.#server = null;
    if (port === null) return;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      const opened = this.#peer().then((peer) => peer.open('dialled', {}));
      opened.then(
        ({ stream }) => {
          stream.on('error', () => socket.destroy());
          join(socket, stream);
        },
        () => socket.destroy(),
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
