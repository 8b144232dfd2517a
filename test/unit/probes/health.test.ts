import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { explainHealth, explainReach, explainScore, probeHealth } from '../../../agent/probes/health.ts';

const answered = { status: 200, headers: { server: 'gunicorn' }, ms: 3.2, body: '[1.0]' };
const POST = { method: 'POST', path: '/score' };
const said = (part: string) => expect.stringContaining(part) as string;

test('asks the health path, then the sample as it was sent', async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers['content-type']} ${body}`);
      response.setHeader('x-ms-run-fn-exec-ms', '12').end('[1.0]');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const asked = { listener: { host: '127.0.0.1', port, loopback: false, inode: '' }, path: '/', guessed: false };
  const body = Buffer.from('{"data": []}').toString('base64');
  const headers = { CONTENT_TYPE: 'application/json' };
  const request = { ...POST, query: 'v=1', headers, body };
  const report = await probeHealth({ asked, portSource: '--port', request });
  server.close();
  expect(seen).toEqual(['GET / undefined ', 'POST /score?v=1 application/json {"data": []}']);
  expect(report).toMatchObject({ probe: 'health', ok: true });
  expect(report.steps.at(-1)?.detail).toMatch(/^POST \/score → 200 in \d+ ms \(x-ms-run-fn-exec-ms 12\): \[1\.0\]$/);
  const gone = await probeHealth({ asked, portSource: null, request: null });
  expect(gone).toMatchObject({ ok: false, steps: [{ ok: true }, { name: 'health', ok: false }, { ok: true }] });
});

test('nobody listens', async () => {
  const report = await probeHealth({ asked: null, portSource: null, request: null });
  expect(report).toMatchObject({ ok: false, steps: [{ name: 'port', hint: said('--port') }] });
});

test('a service on the loopback is reached by nobody outside, unless another server stands before it', () => {
  const own = { host: '127.0.0.1', port: 31311, loopback: true, inode: '1' };
  const nginx = { host: '127.0.0.1', port: 5001, loopback: false, inode: '2' };
  expect(explainReach(own, [own], false)).toMatchObject({ ok: false, hint: said('0.0.0.0') });
  expect(explainReach(own, [nginx, own], false)).toMatchObject({ ok: true, detail: said('5001') });
  const step = explainReach(own, [nginx, own], true);
  expect(step).toMatchObject({ ok: true, detail: said('that machine') });
  expect(step.detail).not.toContain('5001');
});

test('a path that nobody named may be absent; a server’s own error is one', () => {
  const at = (status: number, guessed: boolean) => explainHealth({ path: '/', guessed }, { ...answered, status }).ok;
  expect([at(200, false), at(404, true), at(404, false), at(500, true), at(503, false)]).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('a run() that raised is told from a request that was refused', () => {
  const raised = { ...answered, status: 500, headers: { 'x-ms-run-function-failed': 'True' } };
  expect(explainScore(POST, raised)).toMatchObject({ ok: false, hint: said('run() raised') });
  expect(
    explainScore(POST, { ...answered, status: 415, headers: { 'x-ms-run-function-failed': 'False' } }),
  ).toMatchObject({ ok: false, hint: said('content type') });
  expect(explainScore(POST, { ...answered, ms: 6000 })).toMatchObject({ ok: true, detail: said('give up after 5 s') });
});
