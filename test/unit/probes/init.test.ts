import { expect, test } from 'vitest';
import { explainInit } from '../../../agent/probes/init.ts';
import type { BootOutcome } from '../../../agent/service/boot.ts';

const WORKER = {
  server: 'azmlinfsrv',
  interpreter: '/usr/bin/python3',
  env: { WORKER_TIMEOUT: '300' },
  cwd: '/app',
  entryScript: '/app/score.py',
  command: { interpreter: 'python3', flags: [], program: { kind: 'script', name: '/usr/bin/azmlinfsrv' }, args: [] },
  application: null,
} as const;
const outcome = (all: number, init: number, more: Partial<BootOutcome> = {}): BootOutcome => ({
  stage: 'init',
  stages: [],
  output: '',
  gunicorn: { preload: false, timeout: 300 },
  answered: null,
  files: [],
  spans: [
    { name: 'import', seconds: 0.5, mb: 50 },
    { name: 'init', seconds: init, mb: 100 },
    { name: 'all', seconds: all, mb: 220 },
  ],
  code: null,
  profile: null,
  modules: [],
  ...more,
});
const check = { ok: true, generation: 0, ms: 0, at: 0 };
const explain = (of: BootOutcome | null) => explainInit({ check, outcome: of }, WORKER, '/app');

test('seconds and memory of each part, beside what waits for them', () => {
  expect(explain(outcome(13.1, 12.3)).map(({ name, ok, detail }) => [name, ok, detail])).toEqual([
    ['server', true, 'azmlinfsrv, up to the script: 0.30 s, 70 MB'],
    ['import', true, 'score.py: 0.50 s, 50 MB more'],
    ['init()', true, '12.3 s, 100 MB more'],
    [
      'time to start',
      true,
      'init takes 12.3 s, the whole start 13.1 s; Azure gives 310 s before it restarts the container (a managed endpoint; AKS of SDK v1 340 s); gunicorn 300 s before it ends the worker (WORKER_TIMEOUT)',
    ],
  ]);
});

test('too slow for gunicorn, too slow for Azure', () => {
  expect(explain(outcome(305, 304)).at(-1)).toMatchObject({
    ok: false,
    hint: expect.stringContaining('WORKER_TIMEOUT=660') as string,
  });
  const patient = { gunicorn: { preload: false, timeout: 0 } };
  expect(explain(outcome(305, 304, patient)).at(-1)).toMatchObject({ ok: true });
  expect(explain(outcome(315, 314, patient)).at(-1)).toMatchObject({
    ok: false,
    hint: expect.stringContaining('initial_delay') as string,
  });
});

test('what fails stands in the place of its part; a request that fails is none of init()', () => {
  const frame = { file: '/app/score.py', line: 3, function: 'init', user: true };
  const error = { type: 'NameError', message: "name 'np' is not defined", traceback: '', frames: [frame] };
  const failed = explain(outcome(1, 0.1, { error }));
  expect(failed.map(({ name, ok }) => [name, ok])).toEqual([
    ['server', true],
    ['import', true],
    ['init()', false],
  ]);
  expect(failed.at(-1)).toMatchObject({ place: { file: '/app/score.py', line: 3 } });
  expect(explain(outcome(1, 0.1, { error, stage: 'gate' })).every(({ ok }) => ok)).toBe(true);
});

test('what was not tried says so', () => {
  expect(explain(null)).toMatchObject([{ ok: true, detail: expect.stringContaining('not tried') as string }]);
});
