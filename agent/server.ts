/** The daemon: one HTTP server on a Unix socket, one session per console, one scoring service for all of them. */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { DrydockError } from '../shared/core/errors.ts';
import type { AgentFacts } from '../shared/core/service.ts';
import type { Hello } from '../shared/link/peer.ts';
import { Peer, SOCKET_OPTIONS } from '../shared/link/peer.ts';
import type { Probes } from './probes/run.ts';
import type { Requests } from './requests/requests.ts';
import { Session } from './session.ts';
import type { Service } from './service/service.ts';
import { ProvenFolders } from './sync-service.ts';

export interface ServerOptions {
  readonly socket: string;
  readonly build: string;
  readonly facts: () => AgentFacts;
  readonly service: Service;
  readonly requests: Requests;
  readonly probes: Pick<Probes, 'run' | 'checkStart'>;
  readonly log: (text: string) => void;
  /** Ends the daemon after a `detach`. */
  readonly quit: () => void;
  /** Unlinks the kit from under the running daemon; false where it is not ours to unlink. */
  readonly dropKit: () => Promise<boolean>;
}

export interface AgentServer {
  close(): Promise<void>;
}

export async function serve(options: ServerOptions): Promise<AgentServer> {
  const sockets = new WebSocketServer({ noServer: true, ...SOCKET_OPTIONS });
  const http = createServer((_request, response) => response.writeHead(426).end());
  const sessions = new Map<string, Session>();
  const proven = new ProvenFolders();

  const accept = async (webSocket: WebSocket): Promise<void> => {
    const greeter = Promise.withResolvers<Session>();
    greeter.promise.catch(() => undefined); // the greeting may fail; `closed` tells
    const own: Hello = { build: options.build, role: 'agent', session: '' };
    const peer = new Peer(webSocket, own, {
      call: async (method, params, attached, signal) => (await greeter.promise).call(method, params, attached, signal),
      open: async (kind, params, stream) => (await greeter.promise).open(kind, params, stream),
    });
    const hello = await peer.hello;
    if (hello.role === 'control') {
      if (sessions.has(hello.session)) throw new DrydockError('protocol-violation', 'This session exists already.');
      const session = new Session(peer, options, proven);
      sessions.set(hello.session, session);
      greeter.resolve(session);
      const reason = await peer.closed;
      options.log(`connection ended: ${reason.message}`);
      sessions.delete(hello.session);
      await session.close();
    } else {
      const session = hello.role === 'bulk' ? sessions.get(hello.session) : undefined;
      if (session === undefined) throw new DrydockError('protocol-violation', 'A bulk connection without its session.');
      session.joinBulk(peer);
      greeter.resolve(session);
    }
  };

  http.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      accept(webSocket).catch((error: unknown) => {
        options.log(`connection refused: ${error instanceof Error ? error.message : String(error)}`);
        webSocket.terminate();
      });
    });
  });
  const open = new Set<Socket>();
  http.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen({ path: options.socket }, resolve);
  });

  return {
    close: async () => {
      await Promise.allSettled(Array.from(sessions.values(), (session) => session.close()));
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
}
