/** A socket before the engine's own: shut, it looks like an engine that was killed. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Door extends AsyncDisposable {
  readonly path: string;
  open(): Promise<void>;
  /** As an engine that is killed: connections break, and nobody listens. */
  shut(): Promise<void>;
}

export async function doorTo(socketPath: string): Promise<Door> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-door-'));
  const path = join(dir, 'docker.sock');
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const shut = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    server = undefined;
  };
  return {
    path,
    shut,
    open: () =>
      new Promise((resolve) => {
        server = createServer({ allowHalfOpen: true }, (near) => {
          const far = connect({ path: socketPath, allowHalfOpen: true });
          for (const [socket, other] of [
            [near, far],
            [far, near],
          ] as const) {
            sockets.add(socket);
            socket.on('error', () => other.destroy());
            socket.on('close', () => {
              sockets.delete(socket);
              other.destroy();
            });
            socket.pipe(other);
          }
        }).listen(path, resolve);
      }),
    [Symbol.asyncDispose]: async () => {
      await shut();
      await rm(dir, { recursive: true });
    },
  };
}
