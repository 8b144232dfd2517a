/** TCP connections to the container's own loopback, for ports that are not published. */
import { createConnection } from 'node:net';
import { DrydockError } from '../shared/core/errors.ts';
import type { MuxStream } from '../shared/link/mux-stream.ts';
import { joinSocket } from '../shared/link/socket.ts';

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
  joinSocket(socket, stream, () => stream.finish({}));
}
