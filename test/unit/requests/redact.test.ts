import { expect, test } from 'vitest';
import { redacted } from '../../../shared/core/redact.ts';

test('values of keys that speak of secrets are hidden, at any depth', () => {
  const text = JSON.stringify({ data: [1], user: { Password: 'x', api_key: { id: 1 }, note: 'kept' }, sas: 'y' });
  expect(JSON.parse(redacted(text))).toEqual({
    data: [1],
    user: { Password: '•••', api_key: '•••', note: 'kept' },
    sas: '•••',
  });
});

test('further words, literally', () => {
  expect(redacted('{"patient.name":"A","patientXname":"B"}', ['patient.name'])).toBe(
    '{"patient.name":"•••","patientXname":"B"}',
  );
});

test('all else comes back as it was', () => {
  for (const text of ['{"a" : 1}', 'password=1', '', '[1, 2']) expect(redacted(text)).toBe(text);
});
