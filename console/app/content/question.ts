/** What only the user can decide. */
import type { Question } from '../../engine/view.ts';
import { span, wrapWords, cutPath, type Row } from '../rows.ts';

export function questionRows(question: Question, columns: number): Row[] {
  return [
    ...wrapWords(question.text, columns - 4).map((row, index): Row => [
      span(index === 0 ? ' ? ' : '   ', 'accent'),
      span(row, 'strong'),
    ]),
    [],
    ...question.choices.flatMap(({ key, label }) =>
      wrapWords(label, columns - 10).map((row, index): Row => [
        span(index === 0 ? `   ${key}` : '    ', 'key'),
        span(`   ${row}`),
      ]),
    ),
    ...(question.details.length === 0 ? [] : [[]]),
    ...question.details.map((detail): Row => [span(`   ${cutPath(detail, columns - 4)}`, 'dim')]),
  ];
}
