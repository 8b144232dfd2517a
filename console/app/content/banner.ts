/** What stops the work, with what to do about it: shown whatever pane is open. */
import { elapsed, spinner } from '../format.ts';
import { span, wrapWords, type Row, type Tone } from '../rows.ts';
import type { State } from '../state.ts';

export function bannerRows({ view, now }: State, columns: number): Row[] {
  if (view === null) return [];
  const { link, sync } = view;
  if (link.phase === 'failed') return banner('✗', 'bad', link.error.message, link.error.hint, columns);
  if (link.phase === 'waiting') {
    const since = elapsed(now - link.since);
    return banner(spinner(link.since, now), 'warn', `waiting: ${link.reason} (${since})`, link.hint, columns);
  }
  if (sync.halted !== undefined) {
    return banner('!', 'bad', `sync halted: ${sync.halted.reason}`, sync.halted.hint, columns);
  }
  const [problem] = sync.problems;
  if (problem === undefined) return [];
  const more = sync.problems.length > 1 ? ` (and ${sync.problems.length - 1} more)` : '';
  const text = problem.path === '' ? problem.message : `${problem.path}: ${problem.message}`;
  return banner('!', 'warn', text + more, undefined, columns);
}

function banner(mark: string, tone: Tone, text: string, hint: string | undefined, columns: number): Row[] {
  return [
    ...wrapWords(text, columns - 4).map((row, index): Row => [
      span(index === 0 ? ` ${mark} ` : '   ', tone),
      span(row, tone),
    ]),
    ...(hint === undefined || hint === ''
      ? []
      : wrapWords(`→ ${hint}`, columns - 4).map((row): Row => [span(`   ${row}`)])),
  ];
}
