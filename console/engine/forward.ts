/** Ports on the host's loopback that lead to the container's own, over the link, and back: nothing has to be published. */
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Transform } from 'node:stream';
import { DrydockError } from '../../shared/core/errors.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { AdapterMessages } from './dap.ts';

export interface Forward {
  readonly port: number;
  close(): void;
}

/** Of one connection: what is at its other end in the container, and what it says passes through. */
type Open = (peer: Peer) => Promise<{ readonly stream: MuxStream; readonly through?: Transform }>;

export const toPort =
  (port: number): Open =>
  (peer) =>
    peer.open('tcp', { port });

/** `onStopped`: where the code stands in the debugger, why; null when it goes on. */
export const toDebugger =
  (onStopped: (reason: string | null) => void): Open =>
  async (peer) => {
    const { stream, opened } = await peer.open('debug', {});
    const isFollowed = async (): Promise<boolean> => {
      const { value } = await peer.call('service.state', {});
      return value.debugger !== null && value.debugger.pid !== opened.pid;
    };
    return { stream, through: new AdapterMessages({ isFollowed: () => isFollowed().catch(() => false), onStopped }) };
  };

/**
 * `peer` is asked anew for each connection, so that a forward outlives a broken link. `port` 0 is any free one. Throws what
 * node:net throws where the port is taken.
 */
export async function forwardPort(open: Open, peer: () => Peer | null, port = 0): Promise<Forward> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    const link = peer();
    if (link === null) {
      socket.destroy();
      return;
    }
    open(link).then(
      ({ stream, through }) => joinStream(socket, stream, through),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** The other way: what has dialled in the container goes to a port of this machine's loopback. */
export async function dialHost(port: number, stream: MuxStream): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) =>
      reject(
        new DrydockError('io', `Nothing listens on port ${port} of this machine: ${cause.message}.`, {
          hint: 'Start the debugger in the editor first (F5): it is what listens.',
          cause,
        }),
      ),
    );
  });
  socket.on('error', () => socket.destroy());
  joinStream(socket, stream);
}

function joinStream(socket: Socket, stream: MuxStream, through?: Transform): void {
  socket.setNoDelay(true);
  stream.on('error', () => socket.destroy());
  socket.pipe(stream);
  if (through === undefined) stream.pipe(socket);
  else stream.pipe(through).pipe(socket);
  socket.once('close', () => stream.destroy());
}
