import { expect, test } from 'vitest';
import { RequestLog } from '../../../agent/requests/log.ts';
import type { Captured } from '../../../agent/hook/messages.ts';
import { markOf } from '../../../shared/core/requests.ts';

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

const raised = { type: 'KeyError', message: "'data'", traceback: 'KeyError', frames: [], init: false };
const mark = (n: number): string => markOf(n.toString(16).padStart(8, '0'));

test('what a worker says of a request of Drydock’s is never listed by itself, and is told whoever asks, before or after', async () => {
  const log = new RequestLog((failure) => ({ ...failure, hint: 'mend it' }));
  log.captured({ ...captured(1), id: mark(1), failure: raised });
  expect(await log.told('00000001', 60_000)).toMatchObject({ type: 'KeyError', hint: 'mend it' });
  const later = log.told('00000002', 60_000);
  log.captured({ ...captured(2), id: mark(2) });
  expect(await later).toBeNull();
  // The answer was there first, and nobody asked: such as of a good one.
  log.captured({ ...captured(3), id: mark(3) });
  expect(await log.told('00000004', 1)).toBeUndefined();
  log.captured({ ...captured(4), id: mark(4) });
  expect(log.list().requests).toEqual([]);
});

test('of the last hundred', async () => {
  const log = new RequestLog((failure) => failure);
  for (let n = 0; n < 101; n += 1) log.captured({ ...captured(n), id: mark(n), failure: raised });
  expect(await log.told('00000001', 1)).toMatchObject({ type: 'KeyError' });
  expect(await log.told('00000000', 1)).toBeUndefined();
  expect(log.list().requests).toEqual([]);
});

test.each(['a1', '0123abcd', 'drydock-', 'drydock-0123abcd0', 'Drydock-0123abcd', 'x-drydock-0123abcd'])(
  'a client that marks its request %s is a client',
  (id) => {
    const log = new RequestLog((failure) => failure);
    log.captured({ ...captured(1), id });
    expect(log.list().requests).toMatchObject([{ source: 'client', path: '/1' }]);
  },
);
