/** What sync overwrote or deleted, newest first, with the one that Enter brings back. */
import type { Undoable } from '../../engine/view.ts';
import { KEPT } from '../../text/journal.ts';
import { bytes, clockTime, elapsed, spinner } from '../format.ts';
import { cutPath, pad, span, wrapWords, type Content, type Row } from '../rows.ts';
import type { Dialog } from '../state.ts';

type UndoDialog = Extract<Dialog, { kind: 'undo' }>;

const DAY = 24 * 3600 * 1000;

export function undoRows({ list, cursor, since, busy, trouble }: UndoDialog, now: number, columns: number): Content {
  if (trouble !== null) return troubleRows(trouble, columns);
  if (list === null)
    return [[span(` ${spinner(since, now)} `, 'accent'), span(`reading the journal … ${elapsed(now - since)}`)]];
  if (list.length === 0) {
    return wrapWords(`Sync has overwritten and deleted nothing. What it replaces is ${KEPT}.`, columns - 4).map(
      (row): Row => [span('   '), span(row)],
    );
  }
  const old = list.some(({ at }) => now - at > DAY);
  return {
    length: list.length,
    slice: (from, to) =>
      list
        .slice(from, to)
        .map((action, index) =>
          actionRow(action, { chosen: from + index === cursor, busy: action.id === busy, old }, columns),
        ),
  };
}

/** `overwritten in the container` */
const WHAT = 28;
const SIZE = 7;

function actionRow(
  { at, path, kind, side, size, kept }: Undoable,
  { chosen, busy, old }: { chosen: boolean; busy: boolean; old: boolean },
  columns: number,
): Row {
  const date = new Date(at).toLocaleDateString('sv');
  const when = old ? `${date} ${clockTime(at)}` : clockTime(at);
  const where = side === 'host' ? 'on this machine' : 'in the container';
  const room = Math.max(12, columns - 3 - when.length - WHAT - SIZE - 8);
  const tone = !kept ? 'dim' : chosen ? 'strong' : undefined;
  return [
    span(chosen ? ' ▸ ' : '   ', 'accent'),
    span(`${when}  `, 'dim'),
    span(pad(cutPath(path, room), room), tone),
    span(`  ${pad(`${kind} ${where}`, WHAT)}`, kept ? undefined : 'dim'),
    span(`  ${busy ? '…' : !kept ? 'lost' : size === null ? 'link' : bytes(size)}`, 'dim'),
  ];
}

export function troubleRows({ message, hint }: { message: string; hint?: string }, columns: number): Row[] {
  return [
    ...wrapWords(message, columns - 4).map((row, index): Row => [span(index === 0 ? ' ✗ ' : '   ', 'bad'), span(row)]),
    ...(hint === undefined ? [] : wrapWords(`→ ${hint}`, columns - 4).map((row): Row => [span('   '), span(row)])),
  ];
}
