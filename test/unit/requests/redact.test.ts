import { expect, test } from 'vitest';
import { redacted, redactedValue } from '../../../shared/core/redact.ts';

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

test('JSON in a string of JSON', () => {
  const inner = JSON.stringify({ token: 't', rows: [1] });
  expect(JSON.parse(JSON.parse(redacted(JSON.stringify(inner))) as string)).toEqual({ token: '•••', rows: [1] });
});

test('variables by their names, and by names within them', () => {
  expect(redactedValue('patient', "'Ann'", ['patient'])).toBe('•••');
  expect(redactedValue('asked', "{'n': 1, 'patient': 'Ann', 'x': 2}", ['patient'])).toBe(
    "{'n': 1, 'patient': •••, 'x': 2}",
  );
  expect(redactedValue('row', "Row(patient='Ann', n=1)", ['patient'])).toBe('Row(patient=•••, n=1)');
  expect(redactedValue('n', "{'patient': •••}", ['patient'])).toBe("{'patient': •••}");
});

test('all else comes back as it was', () => {
  for (const text of ['{"a" : 1}', 'password=1', '', '[1, 2']) expect(redacted(text)).toBe(text);
});
