/** All known requests, asked once more: each as its answer comes. */
import type { ReplayLine } from '../../engine/view.ts';
import { clockTime, describeDifferences, milliseconds } from '../../text/requests.ts';
import { replayWords } from '../asking.ts';
import { elapsed, spinner } from '../format.ts';
import { ends, span, wrap, type Row } from '../rows.ts';
import type { Replays } from '../state.ts';
import { troubleRows } from './undo.ts';

export function replayRowsOf({ since, lines, trouble }: Replays, now: number, columns: number): Row[] {
  const bad = lines.some(({ ok }) => !ok);
  const head: Row[] =
    trouble !== null
      ? troubleRows(trouble, columns)
      : since === null
        ? [[span(bad ? ' ✗ ' : ' ✓ ', bad ? 'bad' : 'good'), span(replayWords(lines), 'strong')]]
        : [
            [
              span(` ${spinner(since, now)} `, 'accent'),
              span(`asking the code that serves now … ${elapsed(now - since)}  ${replayWords(lines)}`),
            ],
          ];
  return [...head, ...(lines.length === 0 ? [] : [[]]), ...lines.flatMap((line) => lineRows(line, columns))];
}

function lineRows({ ok, headline, before, differences, failed, skipped }: ReplayLine, columns: number): Row[] {
  const was = `before: ${before.status} in ${milliseconds(before.ms)} at ${clockTime(before.at)} `;
  const mark = skipped !== undefined ? span(' ! ', 'warn') : span(ok ? ' ✓ ' : ' ✗ ', ok ? 'good' : 'bad');
  const told = [
    ...describeDifferences(differences).map((text) => ({ mark: '≠', text })),
    ...(failed === null ? [] : [{ mark: '✗', text: failed }]),
    ...(skipped === undefined ? [] : [{ mark: '!', text: skipped }]),
  ];
  return [
    ends([mark, span(headline)], [span(was, 'dim')], columns),
    ...told.flatMap(({ mark: sign, text }) =>
      wrap(text, columns - 8).map((row, index): Row => [
        span(index === 0 ? `     ${sign} ` : '       ', 'warn'),
        span(row),
      ]),
    ),
  ];
}
