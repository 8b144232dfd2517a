/** The keys that work now, as many as there is room for. */
import { footerKeys } from '../keymap.ts';
import { choose, span, type Row } from '../rows.ts';
import { openQuestion, type State } from '../state.ts';

export function footerRow(state: State, columns: number): Row {
  const question = state.dialog === null ? openQuestion(state) : null;
  const choices = (question?.choices ?? []).map(({ key }) => key).join(' ');
  const choice = choices === '' ? [] : [{ key: choices, label: 'choose', rank: 0 }];
  const parts = [...choice, ...footerKeys(state)].map(({ key, label, rank }) => ({
    rank,
    row: [span(key, 'key'), span(` ${label}`)],
  }));
  return [span(' '), ...choose(parts, columns - 2, '   ')];
}
