/** A hostile agent: the console's memory stays in proportion to what a connection may hold at once. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { MAX_FRAME, type MethodName, type WireNode } from '../../../shared/core/protocol.ts';
import { drained } from '../../../shared/link/file-stream.ts';
import type { MuxStream } from '../../../shared/link/mux-stream.ts';
import { Peer, SOCKET_OPTIONS, type Service } from '../../../shared/link/peer.ts';
import { Program } from '../../support/agent.ts';
import { folder } from '../../support/disk.ts';
import { sha256 } from '../../support/trees.ts';

const MB = 1024 * 1024;

interface Hostile {
  /** The console's connections, bare and with the protocol's words. */
  readonly control: WebSocket;
  readonly peer: Peer;
  readonly program: Program;
  /** Once the console asks for a file: what it is to be sent. */
  readonly asked: Promise<MuxStream>;
}

async function attached(): Promise<Hostile> {
  const socket = `${(await folder()).base}/socket`;
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true, ...SOCKET_OPTIONS });
  onTestFinished(() => void http.close());
  const { promise: asked, resolve: ask } = Promise.withResolvers<MuxStream>();
  const file = { kind: 'file', digest: 'a'.repeat(64), size: 100 * MB, exec: false };
  const answers: Partial<Record<MethodName, unknown>> = {
    'sync.open': { endpoint: 1, info: INFO },
    'sync.scan': { root: { kind: 'dir', children: [['a', file]] } },
    'sync.left': { left: [] },
  };
  const service: Service = {
    call: (method) => Promise.resolve((answers[method] ?? {}) as never),
    open: (_kind, _params, stream) => {
      ask(stream);
      return Promise.resolve({} as never);
    },
  };
  const { promise: first, resolve: met } = Promise.withResolvers<{ control: WebSocket; peer: Peer }>();
  http.on('upgrade', (request, raw, head) => {
    sockets.handleUpgrade(request, raw, head, (control) => {
      met({ control, peer: new Peer(control, { build: 'b', role: 'agent', session: '' }, service) });
    });
  });
  http.listen({ path: socket });
  await once(http, 'listening');
  const host = await folder();
  const program = await Program.start('console.ts', socket, host.root, (await folder()).base);
  return { ...(await first), program, asked };
}

/** True once the console has dealt with all that it was sent, false once it has ended the link. */
function isAlive(control: WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (alive: boolean) => {
      control.off('message', hear).off('close', close);
      resolve(alive);
    };
    const hear = (data: Buffer) => {
      if (String(data).includes(`"pong","n":${PROBE}`)) done(true);
    };
    const close = () => done(false);
    control.on('message', hear).on('close', close);
    control.send(JSON.stringify({ t: 'ping', n: PROBE }));
    if (control.readyState >= control.CLOSING) done(false);
  });
}

const PROBE = 4_242_424_242;

const INFO = {
  root: '/app',
  writable: true,
  hardLinks: true,
  symlinks: true,
  execBit: true,
  caseSensitive: true,
  mount: false,
};

test.each<[string, number, (hostile: Hostile) => Promise<void>]>([
  [
    'arrays in arrays, as many as a frame holds',
    300,
    async ({ control, program }) => {
      control.send('['.repeat(MAX_FRAME / 2) + ']'.repeat(MAX_FRAME / 2));
      await program.says('connection ended: protocol-violation');
    },
  ],
  [
    'attached bytes without end, of no size',
    300,
    async ({ control, program }) => {
      const json = JSON.stringify({
        t: 'event',
        name: 'x',
        value: {},
        attached: Array.from({ length: 12 * MB }, () => 0),
      });
      const head = Buffer.alloc(8);
      head.writeUInt32BE(json.length, 4);
      control.send(Buffer.concat([head, Buffer.from(json)]));
      await program.says('connection ended: protocol-violation');
    },
  ],
  [
    'a file without end',
    100,
    async ({ asked }) => {
      const stream = await asked;
      const chunk = Buffer.alloc(64 * 1024);
      for (let sent = 0; sent < 200 * MB && !stream.destroyed; sent += chunk.length) {
        if (!stream.write(chunk)) await drained(stream);
      }
      stream.finish({ ok: true });
    },
  ],
  [
    'news without end of the same small files, with their bytes',
    250,
    async ({ control, peer }) => {
      for (let n = 0; n < 300; n++) {
        const bytes = Array.from({ length: 20 }, (_, k) => Buffer.alloc(60 * 1024, `${n} ${k} `));
        const changes = bytes.map((data, k) => ({
          path: `f${k}`,
          node: { kind: 'file' as const, digest: sha256(data), size: data.length, exec: false },
          data: k,
        }));
        peer.emit('sync.changes', { endpoint: 1, changes }, bytes);
        expect(await isAlive(control)).toBe(true);
      }
    },
  ],
  [
    'files without end',
    450,
    async ({ control, peer, program }) => {
      for (let n = 0; n < 120 && !peer.isClosed; n++) {
        const children = Array.from({ length: 5_000 }, (_, k): [string, WireNode] => [
          `f${n}-${k}`,
          { kind: 'file', digest: sha256(`${n} ${k}`), size: 1, exec: false },
        ]);
        const value = { endpoint: 1, changes: [{ path: `d${n}`, node: { kind: 'dir', children } }] };
        await new Promise((sent) => control.send(JSON.stringify({ t: 'event', name: 'sync.changes', value }), sent));
      }
      expect(await isAlive(control)).toBe(false);
      await program.says('connection ended: protocol-violation');
    },
  ],
])('%s take no more than %i MB', async (_, most, attack) => {
  const hostile = await attached();
  const before = Number(await hostile.program.ask('memory'));
  await attack(hostile);
  expect((Number(await hostile.program.ask('memory')) - before) / MB).toBeLessThan(most);
  expect(hostile.program.isAlive).toBe(true);
});
