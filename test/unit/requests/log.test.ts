import { expect, test } from 'vitest';
import { RequestLog } from '../../../agent/requests/log.ts';
import type { Captured } from '../../../agent/hook/messages.ts';

const captured = (n: number, body = ''): Captured => ({
  id: null,
  at: n,
  pid: 1,
  ms: 1,
  method: 'POST',
  path: `/${n}`,
  query: '',
  headers: { CONTENT_TYPE: 'application/json', HTTP_ACCEPT: '*/*' },
  body,
  cut: false,
  status: '200 OK',
  told: [['Content-Type', 'text/plain']],
  answer: '',
  answerCut: false,
  failure: null,
});

test('the last 200 are kept, by their names in HTTP', () => {
  const log = new RequestLog((failure) => failure);
  for (let n = 0; n < 250; n += 1) log.captured(captured(n));
  const { requests } = log.list();
  expect(requests.map(({ path }) => path)).toEqual(Array.from({ length: 200 }, (_, index) => `/${index + 50}`));
  expect(log.get(requests[0]?.id ?? '')).toMatchObject({
    status: 200,
    source: 'client',
    headers: { 'content-type': 'application/json', accept: '*/*' },
    told: [['content-type', 'text/plain']],
  });
});

test('a failure outlives the traffic after it', () => {
  const log = new RequestLog((failure) => failure);
  log.captured({ ...captured(1), status: '500 INTERNAL SERVER ERROR' });
  for (let n = 2; n < 1000; n += 1) log.captured(captured(n));
  expect(log.list().requests).toHaveLength(200);
  expect(log.list().requests[0]).toMatchObject({ path: '/1', status: 500 });
  for (let n = 1000; n < 1300; n += 1) log.captured({ ...captured(n), status: '400 BAD REQUEST' });
  // As many of the good ones stay.
  const good = log.list().requests.filter(({ status }) => status === 200);
  expect(good).toHaveLength(100);
  expect(good.at(-1)?.path).toBe('/999');
});

test('and no more than their bytes allow', () => {
  const log = new RequestLog((failure) => failure);
  for (let n = 0; n < 40; n += 1) log.captured(captured(n, 'A'.repeat(1_000_000)));
  const { requests, bytes, limit } = log.list();
  expect(bytes).toBeLessThanOrEqual(limit);
  expect(requests.length).toBeGreaterThan(10);
  expect(requests.at(-1)?.path).toBe('/39');
});

test('what a worker says of a request that is waited for is told once, and kept by whoever sent it', async () => {
  const log = new RequestLog((failure) => failure);
  const { within, end } = log.expect('a1');
  log.captured({ ...captured(1), id: 'a1' });
  expect(await within(10)).toMatchObject({ id: 'a1' });
  end();
  expect(log.list().requests).toEqual([]);
});
