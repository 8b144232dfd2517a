/** The Probes pane: each step of an explained check, and what to do where one is not well. */
import { duration, elapsed, spinner } from '../format.ts';
import { pad, span, widthOf, wrapWords, type Row } from '../rows.ts';
import type { State } from '../state.ts';

export function probeRows({ probe, now }: State, columns: number): Row[] {
  const { report, trouble, since } = probe;
  if (since !== null) {
    return [
      [span(` ${spinner(since, now)} `, 'accent'), span(`asking the service’s own Python … ${elapsed(now - since)}`)],
    ];
  }
  if (trouble !== null) {
    return [
      ...wrapWords(trouble.message, columns - 4).map((row, index) => [
        span(index === 0 ? ' ✗ ' : '   ', 'bad'),
        span(row),
      ]),
      ...hinted(trouble.hint, columns),
    ];
  }
  if (report === null) {
    return wrapWords(
      'Press p: the service’s own Python says, step by step, what its environment, entry script, imports and model are, and whether a fresh process serves as the worker does.',
      columns - 4,
    ).map((row) => [span('   '), span(row, 'dim')]);
  }
  const name = Math.min(24, Math.max(...report.steps.map((step) => widthOf(step.name)), 0));
  const stepRows = report.steps.flatMap((step) => [
    ...step.detail
      .split('\n')
      .flatMap((line) => wrapWords(line, Math.max(10, columns - name - 7)))
      .map((line, index): Row => [
        index === 0 ? span(step.ok ? ' ✓ ' : ' ✗ ', step.ok ? 'good' : 'bad') : span('   '),
        span(index === 0 ? pad(step.name, name) : ' '.repeat(name), 'strong'),
        span(`  ${line}`),
      ]),
    ...hinted(step.hint, columns, name + 2),
  ]);
  const failed = report.steps.filter(({ ok }) => !ok).length;
  const verdict = report.ok
    ? span(` ${report.probe}: well, in ${duration(report.ms)}`, 'good')
    : span(
        ` ${report.probe}: not well, ${failed} of ${report.steps.length} steps failed, in ${duration(report.ms)}`,
        'bad',
      );
  return [[verdict], [], ...stepRows];
}

function hinted(hint: string | undefined, columns: number, indent = 0): Row[] {
  if (hint === undefined) return [];
  return hint
    .split('\n')
    .flatMap((line) => wrapWords(line, Math.max(10, columns - indent - 7)))
    .map((row, index) => [span(`   ${' '.repeat(indent)}${index === 0 ? '→ ' : '  '}`, 'accent'), span(row)]);
}
