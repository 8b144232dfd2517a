/** A failed reload in full: Python's own traceback with the user's frames marked, the hint, and what the code printed. */
import type { PythonFailure } from '../../../shared/core/service.ts';
import { withVariables } from '../../text/requests.ts';
import { span, wrap, wrapWords, type Row } from '../rows.ts';

export function detailRows(failure: PythonFailure, output: string, columns: number): Row[] {
  const rows: Row[] = [];
  if (failure.hint !== undefined) {
    for (const [index, line] of wrapWords(failure.hint, columns - 4).entries()) {
      rows.push([span(index === 0 ? ' → ' : '   ', 'accent'), span(line)]);
    }
    rows.push([]);
  }
  rows.push(...tracebackRows(failure, columns));
  const printed = output.trim();
  if (printed !== '') {
    rows.push([], [span(' What the new code printed', 'strong')]);
    rows.push(
      ...printed
        .split(/\r?\n/)
        .flatMap((line) => wrap(line, columns - 4).map((row): Row => [span(`   ${row}`, 'dim')])),
    );
  }
  return rows;
}

export function tracebackRows(failure: PythonFailure, columns: number): Row[] {
  let users = false;
  return withVariables(failure).flatMap((line) => {
    const frame = FRAME.exec(line);
    if (frame !== null) {
      users = failure.frames.some(({ user, file, line: at }) => user && file === frame[1] && at === Number(frame[2]));
    } else if (!/^\s/.test(line)) users = false;
    const last = !/^\s/.test(line) && line !== '' && !line.startsWith('Traceback ');
    const tone = users ? 'strong' : last ? 'bad' : 'dim';
    return wrap(line, columns - 4).map((row, index): Row => [
      span(users ? (frame !== null && index === 0 ? ' ▸ ' : ' │ ') : '   ', 'accent'),
      span(row, tone),
    ]);
  });
}

const FRAME = /^\s*File "(.*)", line (\d+)/;
