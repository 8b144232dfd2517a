import { expect, test } from 'vitest';
import { explainCall, type Call, type CallAnswer } from '../../../agent/probes/call.ts';
import type { Input } from '../../../agent/probes/input.ts';

const WORKER = { interpreter: '/usr/bin/python3', env: {}, cwd: '/app', entryScript: '/app/score.py' };
const RUN: NonNullable<Call['run']> = {
  parameters: [
    { name: 'data', required: true },
    { name: 'method', required: false },
  ],
  schema: null,
  example: null,
  place: { file: '/app/score.py', line: 16 },
  raw: false,
};

const sent = (body: unknown): Input => ({
  source: 'the file of --data',
  request: {
    ...{ method: 'POST', path: '/score', query: '', headers: {} },
    body: Buffer.from(JSON.stringify(body)).toString('base64'),
  },
});
const answer = (of: Partial<CallAnswer>): CallAnswer => ({
  by: 'fresh',
  status: 200,
  ms: 3,
  body: '[1]',
  failure: null,
  ...of,
});
const last = (call: Call) => explainCall(call, WORKER, '/app').at(-1);
const frame = { file: '/app/score.py', line: 18, function: 'run', user: true };
const keyError = { type: 'KeyError', message: "'data'", traceback: '', frames: [frame] };

test('a good answer, with what run() takes beside what was sent', () => {
  const steps = explainCall({ input: sent({ data: [] }), run: RUN, answer: answer({}) }, WORKER, '/app');
  expect(steps.map(({ ok, detail }) => `${ok} ${detail}`)).toEqual([
    'true the file of --data: {"data":[]}',
    'true run(data, method=…), score.py:16, takes the whole body as text; sent: data',
    'true POST /score of a fresh process of the code on disk → 200 in 3 ms: [1]',
  ]);
});

test('keys of input_schema that were not sent', () => {
  const run = { ...RUN, schema: ['data', 'method'] };
  const refused = answer({ status: 400, body: "A value is not provided for the 'data' parameter." });
  expect(last({ input: sent({ inputs: [] }), run, answer: refused })?.hint).toBe(
    'run() wants data, and sent is inputs: send {"data": …}',
  );
  expect(last({ input: sent([1]), run, answer: refused })?.hint).toContain('the body is no JSON object');
});

test('a key that the code reads and that was not sent; one that was sent is another matter', () => {
  const failed = answer({ status: 500, body: '', failure: keyError });
  const wrong = last({ input: sent({ inputs: [] }), run: RUN, answer: failed });
  expect(wrong).toMatchObject({ ok: false, place: { file: '/app/score.py', line: 18 }, failure: { type: 'KeyError' } });
  expect(wrong?.hint).toContain('run() reads the key data, and sent is inputs');
  expect(last({ input: sent({ data: {} }), run: RUN, answer: failed })?.hint ?? '').not.toContain('sent is');
});

test('an error with a good status is no good answer', () => {
  const returned = (body: string) => last({ input: sent({ data: [] }), run: null, answer: answer({ body }) })?.ok;
  expect(returned('{"error": "shapes do not fit"}')).toBe(false);
  expect(returned(JSON.stringify("No module named 'pandas'"))).toBe(false);
  expect([returned('{"error": null}'), returned('"setosa"'), returned('[1, 2]'), returned('')]).toEqual([
    true,
    true,
    true,
    true,
  ]);
});

test('nothing to ask is not a failure', () => {
  expect(last({ input: null, run: RUN, answer: null })).toMatchObject({ ok: true, name: 'input' });
});
