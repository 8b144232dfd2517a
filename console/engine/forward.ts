/** Ports on the host's loopback that lead to the container's own, over the link: nothing has to be published. */
import { createServer, type AddressInfo } from 'node:net';
import type { Transform } from 'node:stream';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { joinSocket } from '../../shared/link/socket.ts';
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
      ({ stream, through }) => joinSocket(socket, stream, () => stream.destroy(), through),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
