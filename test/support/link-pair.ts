/** Two peers over a real Unix socket, as console and agent have it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { asSocket } from '../../shared/link/duplex-socket.ts';
import { Peer, SOCKET_OPTIONS, type Service } from '../../shared/link/peer.ts';

export interface RawPair extends AsyncDisposable {
  /** The console's WebSocket, bare. */
  readonly client: WebSocket;
  /** The agent's WebSocket, bare. */
  readonly server: WebSocket;
}

export async function rawPair(): Promise<RawPair> {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-link-'));
  const path = join(dir, 'socket');
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true, ...SOCKET_OPTIONS });
  await new Promise<void>((resolve) => http.listen({ path }, resolve));
  const accepted = new Promise<WebSocket>((resolve) =>
    http.once('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, resolve)),
  );
  const client = new WebSocket('ws://agent/', {
    createConnection: () => asSocket(createConnection({ path })),
    ...SOCKET_OPTIONS,
  });
  const server = await accepted;
  if (client.readyState !== client.OPEN) await new Promise((resolve) => client.once('open', resolve));
  return {
    client,
    server,
    [Symbol.asyncDispose]: async () => {
      client.terminate();
      server.terminate();
      await new Promise((resolve) => http.close(resolve));
      rmSync(dir, { recursive: true });
    },
  };
}

export interface PeerPair extends AsyncDisposable {
  readonly console: Peer;
  readonly agent: Peer;
}

export async function peerPair(consoleService: Service, agentService: Service): Promise<PeerPair> {
  const raw = await rawPair();
  return {
    console: new Peer(raw.client, { build: 'b', role: 'control', session: randomUUID() }, consoleService),
    agent: new Peer(raw.server, { build: 'b', role: 'agent', session: '' }, agentService),
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}
