import { describe, expect, test } from 'vitest';
import {
  decide,
  hereOf,
  JOURNAL_LIMIT,
  likenessOf,
  planOf,
  type Found,
  type Task,
} from '../../../console/engine/models/plan.ts';
import { modelsOf, pathOf, titleOf, type ModelEntry, type ModelFile } from '../../../shared/core/models.ts';

const file = (path: string, size = 10): ModelFile => ({
  kind: 'file',
  path,
  size,
  mtime: 5_000,
  exec: false,
  stamp: 's',
});
const link = { kind: 'link', path: 'a/1/l', target: 'x' } as const;
const none: Found = { kind: 'none' };
const here = (size: number, mtime = 5_000): Found => ({ kind: 'file', size, mtime, stamp: 'h' });

describe('models', () => {
  const entries: ModelEntry[] = [
    { kind: 'dir', path: 'diabetes' },
    { kind: 'dir', path: 'diabetes/10' },
    { kind: 'dir', path: 'diabetes/9' },
    { kind: 'dir', path: 'empty' },
    file('diabetes/10/deep/b.bin', 3),
    file('diabetes/10/a.pkl', 4),
    { kind: 'left', path: 'diabetes/10/fifo', reason: 'a device, pipe or socket' },
    file('diabetes/stray.txt', 1),
    file('loose.pkl', 2),
  ];

  test('are versions of a name, compared as numbers; what lies outside of one is shown as well', () => {
    expect(
      modelsOf(entries).map((model) => [titleOf(model), pathOf(model), model.entries.length, model.bytes]),
    ).toEqual([
      ['files without a model', '', 1, 2],
      ['diabetes', 'diabetes', 1, 1],
      ['diabetes 9', 'diabetes/9', 0, 0],
      ['diabetes 10', 'diabetes/10', 2, 7],
      ['empty', 'empty', 0, 0],
    ]);
    expect(modelsOf(entries)[3]?.left).toEqual([{ path: 'diabetes/10/fifo', reason: 'a device, pipe or socket' }]);
  });
});

describe('a file', () => {
  test.each<[string, Found, string]>([
    ['is absent', none, 'absent'],
    ['is the same by size and time', here(10, 6_000), 'same'],
    ['may be another of the same size', here(10, 9_000), 'unsure'],
    ['has another size', here(11), 'differs'],
    ['is a folder here', { kind: 'other' }, 'differs'],
    ['is a link here', { kind: 'link', target: 'x' }, 'differs'],
  ])('%s', (_what, found, likeness) => expect(likenessOf(file('a/1/f'), found)).toBe(likeness));

  test.each<[string, Found, boolean, boolean, string]>([
    ['that is missing is fetched', none, false, false, 'fetch'],
    ['that is equal is not', here(10), true, false, 'here'],
    ['that differs goes to the journal', here(JOURNAL_LIMIT), false, false, 'keep'],
    ['that is too large for the journal stays', here(JOURNAL_LIMIT + 1), false, false, 'refuse'],
    ['that is too large is given up when that was said', here(JOURNAL_LIMIT + 1), false, true, 'replace'],
    ['is never put over a folder', { kind: 'other' }, false, true, 'refuse'],
    ['is never put over a link', { kind: 'link', target: 'x' }, false, true, 'refuse'],
  ])('%s', (_what, found, equal, replace, decision) =>
    expect(decide(file('a/1/f'), found, equal, replace)).toBe(decision),
  );

  test('that is a link is made, left as it is, or in the way', () => {
    expect(decide(link, none, false, false)).toBe('fetch');
    expect(decide(link, { kind: 'link', target: 'x' }, false, false)).toBe('here');
    expect(decide(link, { kind: 'link', target: 'y' }, false, true)).toBe('refuse');
    expect(decide(link, here(1), false, true)).toBe('refuse');
  });
});

test('how much of a model is here', () => {
  expect(hereOf(['absent', 'absent'])).toBe('none');
  expect(hereOf(['same', 'absent'])).toBe('part');
  expect(hereOf(['same', 'same'])).toBe('whole');
  expect(hereOf(['same', 'unsure'])).toBe('unsure');
  expect(hereOf(['absent', 'differs'])).toBe('differs');
  expect(hereOf([])).toBe('whole');
});

test('of a model with a file in the way nothing is fetched; the others are, and only what is missing counts', () => {
  const [a, b] = modelsOf([file('a/1/x', 5), file('a/1/y', 7), file('b/1/x', 11), file('b/1/y', 13)]);
  if (a === undefined || b === undefined) throw new Error('two models');
  const task = (entry: ModelFile | undefined, decision: Task['decision'], begun = 0): Task => ({
    entry: entry ?? file(''),
    found: none,
    decision,
    begun,
  });
  const [ax, ay] = a.entries as ModelFile[];
  const [bx, by] = b.entries as ModelFile[];
  const plan = planOf([
    { model: a, tasks: [task(ax, 'fetch'), task(ay, 'refuse')] },
    { model: b, tasks: [task(bx, 'here'), task(by, 'keep', 3)] },
  ]);
  expect(plan.tasks.map(({ entry }) => entry.path)).toEqual(['b/1/y']);
  expect(plan).toMatchObject({ total: 13, begun: 3, refused: [{ model: a, paths: ['a/1/y'] }] });
});
