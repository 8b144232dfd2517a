/** The console's way to the service and what the agent keeps of it: real HTTP, a real link, the agent's own log. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Captured } from '../../../agent/hook/messages.ts';
import { RequestLog } from '../../../agent/requests/log.ts';
import { Requests } from '../../../agent/requests/requests.ts';
import { ask, publishedAt, type Reach } from '../../../console/engine/ask.ts';
import { Inspection } from '../../../console/engine/inspect.ts';
import { findSample } from '../../../console/engine/sample-file.ts';
import type { MethodName, Params, Result } from '../../../shared/core/protocol.ts';
import type { Service } from '../../../shared/link/peer.ts';
import { peerPair } from '../../support/link-pair.ts';

interface Seen {
  readonly url: string;
  readonly mark: string;
  readonly type: string;
  readonly body: string;
}

/** A service behind HTTP and an agent that reaches it, too. `answer` is asked for each request. */
async function scene(answer: (seen: Seen, response: ServerResponse, log: RequestLog) => void) {
  const log = new RequestLog((failure) => failure);
  const seen: Seen[] = [];
  const calls: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => {
      const { 'x-drydock-request': mark = '', 'content-type': type = '' } = request.headers;
      const one = { url: `${request.method} ${request.url}`, mark: String(mark), type, body };
      seen.push(one);
      answer(one, response, log);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const at = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const requests = new Requests(
    {
      listens: () => Promise.resolve({ listener: { ...at, loopback: false, inode: '' }, path: '/', guessed: true }),
      target: () => Promise.reject(new Error('none')),
      isHooked: () => true,
      explained: (failure) => failure,
      askFresh: () => Promise.resolve(null),
    },
    log,
  );
  const answers: { [M in MethodName]?: (params: Params<M>) => Promise<Result<M>> } = {
    'requests.keep': ({ exchange }) => requests.keep(exchange),
    'requests.send': ({ request, timeoutMs, source }) => requests.send(request, timeoutMs, source),
    'requests.sample': () => Promise.resolve({ request: null }),
  };
  const agent: Service = {
    call: (method, params) => {
      calls.push(method);
      return answers[method]?.(params) ?? Promise.reject(new Error(`no ${method}`));
    },
  };
  const pair = await peerPair({}, agent);
  return {
    ...{ seen, calls, log, at, peer: pair.console },
    [Symbol.asyncDispose]: async () => {
      await pair[Symbol.asyncDispose]();
      await new Promise((done) => server.close(done));
    },
  };
}

const REQUEST = {
  method: 'POST',
  path: '/score',
  query: 'v=1',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('[1]').toString('base64'),
};
const SCORE = { source: 'score', timeoutMs: 60_000 } as const;

const captured = (id: string, failure: Captured['failure'] = null): Captured => ({
  ...{ id, at: 1, pid: 1, ms: 1, method: 'POST', path: '/score', query: '', headers: {}, body: '', cut: false },
  ...{ status: failure === null ? '200 OK' : '500 BROKEN', told: [], answer: '', answerCut: false, failure },
});

test.each([200, 500])(
  'a body that is too long to be kept is sent all the same, and its answer %d given',
  async (status) => {
    await using at = await scene((_, response) => response.writeHead(status).end('so long'));
    const body = Buffer.alloc(26 * 1024 * 1024, 'x').toString('base64');
    const { exchange, kept } = await ask({ peer: at.peer, published: at.at }, { ...REQUEST, body }, SCORE);
    await kept;
    expect(exchange).toMatchObject({ status, cut: false });
    expect(exchange.body).toHaveLength(body.length);
    expect(at.seen[0]?.body).toHaveLength(26 * 1024 * 1024);
    expect(at.log.get(exchange.id)).toMatchObject({ status, cut: true, body: '' });
  },
);

test('a request by the published port is the agent’s, too, and listed once whatever the worker tells', async () => {
  await using at = await scene(({ mark }, response, log) => {
    response.setHeader('content-type', 'text/plain').end('ok', () => log.captured(captured(mark)));
  });
  const { exchange, kept } = await ask({ peer: at.peer, published: at.at }, REQUEST, SCORE);
  await kept;
  expect(exchange).toMatchObject({ status: 200, source: 'score', told: [['content-type', 'text/plain']] });
  expect(at.seen).toMatchObject([{ url: 'POST /score?v=1', mark: `drydock-${exchange.id}`, body: '[1]' }]);
  expect(at.calls).toEqual(['requests.keep']);
  expect(at.log.get(exchange.id)).toEqual(exchange);
  expect(at.log.list().requests).toHaveLength(1);
});

test('whatever path a request has it is asked for; one that can’t be sent says why', async () => {
  await using at = await scene((_, response) => void response.end('ok'));
  const published = { peer: at.peer, published: at.at };
  const odd = { ...REQUEST, path: '/my model/ł\ud800%20', query: 'v=[1 2]' };
  const arrow = { ...REQUEST, headers: { 'x-way': '→' } };
  for (const reach of [published, { ...published, published: null }]) {
    const { exchange } = await ask(reach, odd, SCORE);
    expect(exchange).toMatchObject({ status: 200, path: odd.path });
    expect(at.seen.pop()).toMatchObject({ url: 'POST /my%20model/%C5%82%EF%BF%BD%20?v=[1%202]' });
    const { exchange: none, kept } = await ask(reach, arrow, SCORE);
    await kept;
    expect(none).toMatchObject({ status: 0, trouble: expect.stringContaining('x-way') as string });
  }
  expect(at.seen).toEqual([]);
  expect(at.log.list().requests).toHaveLength(4);
});

test('of a failure the agent says what was raised, as the worker has told it before', async () => {
  const raised = { type: 'KeyError', message: "'data'", traceback: 'KeyError', frames: [], init: false };
  await using at = await scene(({ mark }, response, log) => {
    log.captured(captured(mark, raised));
    response.writeHead(500).end();
  });
  const { exchange } = await ask({ peer: at.peer, published: at.at }, REQUEST, SCORE);
  expect(exchange).toMatchObject({ status: 500, fresh: false, failure: { type: 'KeyError' } });
  expect(at.log.list().requests).toMatchObject([{ id: exchange.id, failed: "KeyError: 'data'" }]);
});

test('the agent sends it where the port is not published, or nobody accepts the connection', async () => {
  await using at = await scene((_, response) => void response.end('ok'));
  const closed = createServer();
  await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  for (const published of [null, { host: '127.0.0.1', port }]) {
    const { exchange } = await ask({ peer: at.peer, published }, REQUEST, SCORE);
    expect(exchange).toMatchObject({ status: 200, answer: Buffer.from('ok').toString('base64') });
  }
  expect(at.calls).toEqual(['requests.send', 'requests.send']);
  expect(at.log.list().requests).toHaveLength(2);
});

test.each([
  ['one of this machine', {}, {}, '0.0.0.0', '127.0.0.1'],
  ['an engine’s that names no address', {}, {}, '', '127.0.0.1'],
  ['one of IPv6 alone', {}, {}, '::', '::1'],
  ['one address', {}, {}, '192.168.0.2', '192.168.0.2'],
  ['another machine’s', { isHere: false }, {}, '0.0.0.0', null],
  ['another port', {}, { port: 9000 }, '0.0.0.0', null],
  ['a service on the container’s loopback', {}, { loopback: true }, '0.0.0.0', null],
])('published: %s', (_, facts, service, address, host) => {
  const known = {
    ports: [{ container: 5001, host: 32_000, address }],
    isHere: true,
    gateways: ['172.17.0.1'],
    ...facts,
  };
  const here = { bootId: 'ours', addresses: ['127.0.0.1', '172.17.0.1'] };
  const reached = { container: known, agent: here, service: { port: 5001, loopback: false, ...service } };
  expect(publishedAt(reached, here)).toEqual(host === null ? null : { host, port: 32_000 });
});

const HERE = { bootId: 'ours', addresses: ['127.0.0.1', '172.17.0.1', '172.18.0.1'] };
test.each([
  ['the engine’s machine', HERE, 'ours', true],
  ['one with an equal network, by a socket that is forwarded', HERE, 'another', false],
  [
    'a container beside it, by a socket that is mounted',
    { ...HERE, addresses: ['127.0.0.1', '172.18.0.9'] },
    'ours',
    false,
  ],
  ['macOS', { bootId: '', addresses: ['127.0.0.1'] }, 'its machine’s', true],
])('a console on %s', (_, here, kernel, posts) => {
  const ports = [{ container: 5001, host: 5001, address: '0.0.0.0' }];
  const container = { ports, isHere: true, gateways: ['172.18.0.1'] };
  const service = { port: 5001, loopback: false };
  expect(publishedAt({ container, agent: { bootId: kernel }, service }, here) !== null).toBe(posts);
});

test('a file of the app that looks like a request is sent where nothing else is known', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-sample-'));
  await using at = await scene((_, response) => void response.end('[2]'));
  const reach: Reach = { peer: at.peer, published: at.at };
  const inspection = new Inspection(
    () => ({ ...reach, scorePath: '/predict', dir }),
    {},
    () => undefined,
  );
  await expect(inspection.score()).rejects.toMatchObject({ code: 'usage' });
  writeFileSync(join(dir, 'secret'), 'x');
  symlinkSync(join(dir, 'secret'), join(dir, 'sample-request.json')); // made in the container, say
  writeFileSync(join(dir, 'sample.json'), ' '.repeat(2 * 1024 * 1024));
  expect(await findSample(dir)).toBeNull();
  writeFileSync(join(dir, 'sample-input.json'), '{"data": []}');
  expect(await inspection.score()).toMatchObject({ file: 'sample-input.json', exchange: { status: 200 } });
  expect(at.seen).toMatchObject([{ url: 'POST /predict', type: 'application/json', body: '{"data": []}' }]);
  rmSync(dir, { recursive: true });
});
