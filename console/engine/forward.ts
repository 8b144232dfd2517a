/** A port on the host's loopback that leads to the container's own, over the link: nothing has to be published. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Peer } from '../../shared/link/peer.ts';

export interface Forward {
  readonly port: number;
  close(): void;
}

/** `peer` is asked anew for each connection, so that a forward outlives a broken link. */
export async function forwardPort(containerPort: number, peer: () => Peer | null): Promise<Forward> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    const link = peer();
    if (link === null) {
      socket.destroy();
      return;
    }
    link.open('tcp', { port: containerPort }).then(
      ({ stream }) => {
        stream.on('error', () => socket.destroy());
        socket.pipe(stream).pipe(socket);
        socket.once('close', () => stream.destroy());
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
