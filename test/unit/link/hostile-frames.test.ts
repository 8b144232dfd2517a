/**
 * A hostile peer at either end: whatever it sends, what is no frame of the protocol ends its session with a reason that
 * is told, the process lives on and serves the next one, and its memory stays in proportion to what was sent.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from 'ws';
import { EndpointRouter, RemoteEndpoint } from '../../../console/engine/remote-endpoint.ts';
import { MAX_FRAME, MAX_STREAMS, PROTOCOL_VERSION, type EventValue } from '../../../shared/core/protocol.ts';
import { Peer, type Service } from '../../../shared/link/peer.ts';
import { agent, connect, peerTo, remote, type Agent } from '../../support/agent.ts';
import { anyFrame, anySample, type RawFrame } from '../../support/hostile.ts';
import { rawPair } from '../../support/link-pair.ts';

const text = (message: unknown) => JSON.stringify(message);
const hello = (role: string) =>
  text({ t: 'hello', protocol: PROTOCOL_VERSION, build: 'b', role, session: randomUUID() });
const PROBE = 4_242_424_242;

/** True once the frame before it was taken, false once the connection has ended. */
function survives(socket: WebSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const heard = (data: Buffer) => {
      if (String(data).includes(`"pong","n":${PROBE}`)) done(true);
    };
    const closed = () => done(false);
    const done = (alive: boolean) => {
      socket.off('message', heard).off('close', closed);
      resolve(alive);
    };
    socket.on('message', heard).on('close', closed);
    socket.send(text({ t: 'ping', n: PROBE }));
    if (socket.readyState >= socket.CLOSING) done(false);
  });
}

/** Frames one after the other, each on a connection that has said hello and that the ones before did not end. */
async function each(
  frames: readonly RawFrame[],
  open: () => Promise<WebSocket>,
  ended: () => Promise<void>,
): Promise<number> {
  let socket: WebSocket | null = null;
  let ends = 0;
  for (const frame of frames) {
    socket ??= await open();
    socket.send(frame);
    if (await survives(socket)) continue;
    socket = null;
    ends += 1;
    await ended();
  }
  socket?.terminate();
  return ends;
}

async function servesTheNext(made: Agent): Promise<void> {
  const endpoint = await remote(made);
  expect((await endpoint.scan()).root?.kind).toBe('dir');
  await endpoint.close();
}

test('3,000 frames to an agent', async () => {
  const made = await agent();
  let sessions = 0;
  const open = async () => {
    const socket = await connect(made.socket);
    socket.send(hello('control'));
    const params = { root: made.root, rules: [] };
    if (sessions++ % 8 === 0) socket.send(text({ t: 'call', id: 9, method: 'sync.open', params }));
    return socket;
  };
  const { frames, seed } = anySample(anyFrame, 3_000);
  const ends = await each(frames, open, () => Promise.resolve());
  await servesTheNext(made);
  expect(ends, `seed ${seed}`).toBeGreaterThan(1_000);
  // Each of them with a reason.
  const told = made.program.log.split('\n').filter((line) => /^connection (ended|refused): The other end/.test(line));
  expect(told.length, `seed ${seed}`).toBeGreaterThanOrEqual(ends);
  expect(made.program.log, `seed ${seed}`).not.toMatch(/^ +at .*\d+:\d+\)?$/m); // no stack
});

test('4,000 frames to a console that waits for every answer', async () => {
  const router = new EndpointRouter();
  const service: Service = {
    event: (name, value, attached) => {
      if (name === 'sync.changes') router.changes(value as EventValue<'sync.changes'>, attached);
      if (name === 'sync.lost') router.lost(value as EventValue<'sync.lost'>);
    },
    open: (kind, _params, stream) => {
      stream.resume();
      return Promise.resolve({} as never);
    },
  };
  let raw: Awaited<ReturnType<typeof rawPair>> | undefined;
  let peer: Peer | undefined;
  const open = async () => {
    await raw?.[Symbol.asyncDispose]();
    raw = await rawPair();
    peer = new Peer(raw.client, { build: 'b', role: 'control', session: 's' }, service);
    raw.server.send(hello('agent'));
    const endpoint = RemoteEndpoint.open({ control: peer, bulk: Promise.resolve(peer) }, router, '/app', []);
    const info = {
      root: '/app',
      writable: true,
      hardLinks: true,
      symlinks: true,
      execBit: true,
      caseSensitive: true,
      mount: false,
    };
    raw.server.send(text({ t: 'result', id: 1, value: { endpoint: 1, info } }));
    const opened = await endpoint;
    // Their numbers are those that hostile frames answer to.
    for (const work of [
      opened.scan(),
      opened.watch(
        () => undefined,
        () => undefined,
      ),
      peer.call('facts', {}),
    ])
      work.catch(() => undefined);
    peer.open('read', { endpoint: 1, path: 'a', digest: 'a'.repeat(64) }).then(
      ({ stream }) => stream.resume(),
      () => undefined,
    );
    return raw.server;
  };
  const reasons = new Map<string, number>();
  const { frames, seed } = anySample(anyFrame, 4_000);
  const ends = await each(frames, open, async () => {
    const { code, message } = (await peer?.closed) ?? {};
    expect(message, `seed ${seed}`).toBeTruthy();
    reasons.set(code ?? '', (reasons.get(code ?? '') ?? 0) + 1);
  });
  await raw?.[Symbol.asyncDispose]();
  expect(ends, `seed ${seed}`).toBeGreaterThan(1_000);
  expect([...reasons.keys()].sort(), `seed ${seed}`).toEqual(['protocol-violation']);
});

test('bytes that are no WebSocket', async () => {
  const made = await agent();
  const { frames, seed } = anySample(fc.uint8Array({ maxLength: 200 }), 150);
  const upgrade =
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
  for (const [n, bytes] of frames.entries()) {
    const socket = createConnection({ path: made.socket });
    socket.on('error', () => undefined).resume();
    if (n % 2 === 0) socket.write(upgrade);
    socket.end(bytes);
    await once(socket, 'close');
  }
  await servesTheNext(made);
  expect(made.program.isAlive, `seed ${seed}`).toBe(true);
});

/** Megabytes. */
const MB = 1024 * 1024;

test.each<[string, number, (socket: WebSocket, made: Agent) => Promise<void>]>([
  [
    'arrays in arrays, as many as a frame holds',
    300,
    (socket) => {
      socket.send('['.repeat(MAX_FRAME / 2) + ']'.repeat(MAX_FRAME / 2));
      return Promise.resolve();
    },
  ],
  [
    'attached bytes without end, of no size',
    300,
    (socket) => {
      const attached = Array.from({ length: 12 * MB }, () => 0);
      const json = text({ t: 'call', id: 1, method: 'facts', params: {}, attached });
      const head = Buffer.alloc(8);
      head.writeUInt32BE(json.length, 4);
      socket.send(Buffer.concat([head, Buffer.from(json)]));
      return Promise.resolve();
    },
  ],
  [
    'credit without end for a file that nobody reads',
    200,
    async (socket, { root, outside }) => {
      await outside.write('big', new Uint8Array());
      truncateSync(`${root}/big`, 400 * MB);
      const scanned = heard(socket, '"digest"');
      socket.send(text({ t: 'call', id: 1, method: 'sync.open', params: { root, rules: [] } }));
      socket.send(text({ t: 'call', id: 2, method: 'sync.scan', params: { endpoint: 1 } }));
      const digest = /"digest":"(\w+)"/.exec(await scanned)?.[1];
      socket.pause();
      socket.send(text({ t: 'open', stream: 1, kind: 'read', params: { endpoint: 1, path: 'big', digest } }));
      socket.send(text({ t: 'window', stream: 1, bytes: 2 ** 40 }));
    },
  ],
  [
    'questions whose answers nobody reads',
    400,
    (socket, { root }) => {
      for (let n = 0; n < 1000; n++) writeFileSync(`${root}/${'x'.repeat(240)}${n}`, 'x');
      socket.pause();
      socket.send(text({ t: 'call', id: 1, method: 'sync.open', params: { root, rules: [] } }));
      for (let n = 0; n < 3000; n++) {
        socket.send(text({ t: 'call', id: 2 + n, method: 'sync.scan', params: { endpoint: 1 } }));
      }
      return Promise.resolve();
    },
  ],
])('%s take no more than %i MB', async (_, most, attack) => {
  const made = await agent();
  const before = Number(await made.program.ask('memory'));
  const socket = await connect(made.socket);
  socket.send(hello('control'));
  await attack(socket, made);
  await made.program.says('connection ended: ');
  socket.terminate();
  await servesTheNext(made);
  expect((Number(await made.program.ask('memory')) - before) / MB).toBeLessThan(most);
});

/** The next message that has these words in it. */
function heard(socket: WebSocket, words: string): Promise<string> {
  return new Promise((resolve) => {
    socket.on('message', (data: Buffer) => {
      if (String(data).includes(words)) resolve(String(data));
    });
  });
}

test('a session has one bulk connection, and so many folders and streams at once', async () => {
  const made = await agent();
  const session = randomUUID();
  const control = await peerTo(made.socket, { session });
  await control.hello;
  const bulk = await peerTo(made.socket, { session, role: 'bulk' });
  await bulk.hello;
  const second = await peerTo(made.socket, { session, role: 'bulk' });
  expect((await second.closed).code).toBe('link-lost');
  const open = () => control.call('sync.open', { root: made.root, rules: [] });
  const results = await Promise.allSettled(Array.from({ length: 40 }, open));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(16);
  await expect(control.call('sync.open', { root: 'relative', rules: [] })).rejects.toMatchObject({
    code: 'protocol-violation',
  });
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const streams = await Promise.allSettled(Array.from({ length: MAX_STREAMS + 10 }, () => bulk.open('tcp', { port })));
  expect(streams.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_STREAMS);
  expect(streams.at(-1)).toMatchObject({ reason: { code: 'io' } });
  expect(bulk.isClosed).toBe(false);
});
