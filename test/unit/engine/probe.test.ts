/** Failures of `probe all` that only follow from another. */
import { expect, test } from 'vitest';
import { excused } from '../../../console/engine/probe.ts';
import type { ProbeReport, ProbeStep } from '../../../shared/core/service.ts';
import { failure } from '../../fixtures/ui/sample.ts';

const report = (probe: string, ...steps: ProbeStep[]): ProbeReport => ({
  probe,
  ok: steps.every(({ ok }) => ok),
  steps,
  ms: 1,
});
const port: ProbeStep = { name: 'port', ok: true, detail: '127.0.0.1:5001' };
const refused: ProbeStep = {
  name: 'health',
  ok: false,
  detail: 'GET / → 503 in 2 ms',
  hint: 'the code does not start',
};
const raised: ProbeStep = { name: 'init()', ok: false, detail: 'NameError', failure };
const late: ProbeStep = { name: 'time to start', ok: false, detail: 'the start takes 400 s' };

test('a health path that refuses is not judged where init() failed', () => {
  expect(excused(report('health', port, refused), report('init', raised))).toEqual(
    report('health', port, {
      name: 'health',
      ok: true,
      skipped: true,
      detail: 'not judged: init() failed; GET / → 503 in 2 ms',
    }),
  );
});

test('what fails beside a start that succeeds, or that is only slow, fails', () => {
  for (const init of [report('init', port), report('init', late)])
    expect(excused(report('health', port, refused), init)).toEqual(report('health', port, refused));
});
