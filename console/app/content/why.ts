/** What a line of the log means: briefly below the log, and whole. */
import type { Explanation } from '../../../shared/core/explain/match.ts';
import { cut, span, wrap, wrapWords, type Row, type Tone } from '../rows.ts';
import { openQuestion, type State } from '../state.ts';

/** At most `rows` rows; none where the log is not what is shown. */
export function whyRows(state: State, columns: number, rows: number): Row[] {
  const { said } = state.logs;
  if (said === null || state.pane !== 'logs' || state.dialog !== null || openQuestion(state) !== null) return [];
  return [
    [span(' ▸ ', 'accent'), span(cut(said.cause, columns - 4), 'strong')],
    [span('   → ', 'accent'), span(cut(said.mend, columns - 6))],
  ].slice(0, rows);
}

export function explanationRows({ line, cause, mend, source }: Explanation, columns: number): Row[] {
  const part = (title: string, rows: readonly string[], tone?: Tone): Row[] => [
    ...rows.map((row, index): Row => [span(index === 0 ? ` ${title.padEnd(7)}` : '        ', 'dim'), span(row, tone)]),
    [],
  ];
  const width = Math.max(10, columns - 10);
  return [
    ...part('line', wrap(line, width), 'bad'),
    ...part('cause', wrapWords(cause, width)),
    ...part('mend', wrapWords(mend, width), 'strong'),
    ...part('known', wrap(source, width), 'dim'),
  ];
}
