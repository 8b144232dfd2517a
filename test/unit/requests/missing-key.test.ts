import { expect, test } from 'vitest';
import { missingKeyMend } from '../../../agent/requests/missing-key.ts';

const base64 = (body: unknown): string => Buffer.from(JSON.stringify(body)).toString('base64');
const raised = (
  code: string,
  options: { user?: boolean; message?: string; variable?: readonly [string, string] } = {},
) => {
  const { user = true, message = "'data'", variable } = options;
  const locals = variable && [{ name: variable[0], type: 'dict', value: variable[1] }];
  const frame = { file: '/app/score.py', line: 9, function: 'run', code, user, ...(locals && { locals }) };
  return { type: 'KeyError', message, traceback: '', frames: [frame] };
};
const sent = base64({ rows: [1] });

test.each([
  ['what was just parsed', raised("return json.loads(data)['data']")],
  ['a variable with the request’s keys', raised("return asked['data']", { variable: ['asked', "{'rows': [1]}"] })],
  ['where no variables are shown', raised('return asked["data"]')],
  ['pop', raised("asked.pop('data')", { variable: ['asked', "{'rows': [1]}"] })],
])('a key that the request lacks: %s', (_, failure) => {
  expect(missingKeyMend(failure, sent)).toBe(
    'run() reads the key data, and sent is rows: send {"data": …}, or let run() read rows',
  );
});

test.each([
  ['another object’s', raised("LABELS['data']", { variable: ['LABELS', "{'setosa': 1}"] })],
  ['a global’s', raised("LABELS['data']", { variable: ['asked', "{'rows': [1]}"] })],
  ['an element of it', raised("asked['rows'][0]['data']", { variable: ['asked', "{'rows': [{}]}"] })],
  ['a key that no source names', raised('LABELS[found]')],
  ['raised inside a package', raised("os.environ['data']", { user: false })],
  ['one that was sent', raised("asked['rows']", { message: "'rows'" })],
  ['a number', raised('LABELS[3]', { message: '3' })],
  ['another error', { ...raised("asked['data']"), type: 'ValueError' }],
])('nothing is said of %s', (_, failure) => {
  expect(missingKeyMend(failure, sent)).toBeNull();
});

test('many keys and long ones are cut; a list has none', () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`${n}`.padStart(3, 'k').repeat(30), n]));
  const mend = missingKeyMend(raised("json.loads(data)['data']"), base64(many)) ?? '';
  expect(mend).toContain('12 more: send {"data": …}, or let run() read one of those');
  expect(mend.length).toBeLessThan(600);
  expect(missingKeyMend(raised("json.loads(data)['data']"), base64([1]))).toBeNull();
  expect(missingKeyMend(raised("json.loads(data)['data']"), base64({}))).toContain('an empty object is sent');
});
