import { expect, test } from 'vitest';
import { differences } from '../../../shared/core/difference.ts';

test.each<[string, unknown, unknown, readonly (readonly [string, string | null, string | null])[]]>([
  ['the order of keys', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
  ['a last digit', [0.1 + 0.2, 1e9], [0.3, 1e9 + 1], []],
  ['a number', { result: [{ score: 0.5 }] }, { result: [{ score: 0.6 }] }, [['$.result[0].score', '0.5', '0.6']]],
  [
    'what came and went',
    { a: 1, b: [1] },
    { b: [1, 2], c: 3 },
    [
      ['$.a', '1', null],
      ['$.b[1]', null, '2'],
      ['$.c', null, '3'],
    ],
  ],
  ['a key that is no name', { 'a b': 1 }, { 'a b': 2 }, [['$["a b"]', '1', '2']]],
  ['JSON in a string', JSON.stringify({ a: [1] }), JSON.stringify({ a: [2] }), [['$.a[0]', '1', '2']]],
  ['null and nothing', { a: null }, {}, [['$.a', 'null', null]]],
  ['another kind', [1], { a: 1 }, [['$', '[1]', '{"a":1}']]],
])('%s', (_, before, now, expected) => {
  const found = differences(JSON.stringify(before), JSON.stringify(now));
  expect(found.map(({ at, before: b, now: n }) => [at, b, n])).toEqual(expected);
});

test('text is compared by its lines', () => {
  expect(differences('a\nb\nc', 'a\nx\nc')).toEqual([{ at: 'line 2', before: 'b', now: 'x' }]);
});

test('how close is close is given', () => {
  expect(differences('[1.0]', '[1.05]', { tolerance: 0.1 })).toEqual([]);
  expect(differences('[0]', '[1e-9]')).toHaveLength(1);
});

test('secrets are compared, and not shown', () => {
  const answer = (token: string, name: string) => JSON.stringify({ token, user: { name }, list: [{ token }] });
  expect(differences(answer('a', 'Ann'), answer('b', 'Bob'), { redact: ['user'] })).toEqual([
    { at: '$.token', before: '•••', now: '•••' },
    { at: '$.user', before: '•••', now: '•••' },
    { at: '$.list[0].token', before: '•••', now: '•••' },
  ]);
  expect(differences('{}', JSON.stringify({ one: { api_key: 'k', two: 2 } }))).toEqual([
    { at: '$.one', before: null, now: '{"api_key":"•••","two":2}' },
  ]);
});

test('what differs everywhere is bounded', () => {
  const numbers = (by: number) => JSON.stringify(Array.from({ length: 10_000 }, (_, index) => index + by));
  expect(differences(numbers(0), numbers(1))).toHaveLength(100);
});
