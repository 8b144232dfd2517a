/** One conflict: what each side's version has, line by line. */
import type { DiffLine } from '../../engine/view.ts';
import { elapsed, spinner, versionSize } from '../format.ts';
import { span, wrap, wrapWords, type Row, type Tone } from '../rows.ts';
import type { Dialog } from '../state.ts';
import { troubleRows } from './undo.ts';

type ConflictDialog = Extract<Dialog, { kind: 'conflict' }>;

export function conflictRows(
  { comparison, since, trouble, busy }: ConflictDialog,
  now: number,
  columns: number,
): Row[] {
  if (trouble !== null) return troubleRows(trouble, columns);
  if (comparison === null || busy) {
    const what = busy ? 'settling it' : 'comparing both versions';
    return [[span(` ${spinner(since, now)} `, 'accent'), span(`${what} … ${elapsed(now - since)}`)]];
  }
  const { path, kept, host, container, lines } = comparison;
  return [
    [span(' - ', 'bad'), span(path), span(`   this machine’s, ${versionSize(host)}`, 'dim')],
    [span(' + ', 'good'), span(kept), span(`   the container’s, ${versionSize(container)}`, 'dim')],
    [],
    ...(lines === null ? sentence('They cannot be shown line by line: not text, or too much of it.', columns) : []),
    ...(lines?.length === 0 ? sentence('Their texts are equal; they differ in the executable bit.', columns) : []),
    ...diffRows(lines ?? [], columns),
  ];
}

function diffRows(lines: readonly DiffLine[], columns: number): Row[] {
  const width = Math.max(0, ...lines.map(({ line }) => String(line).length));
  const room = Math.max(8, columns - width - 6);
  return lines.flatMap(({ of, line, text }, index) => {
    const { mark, tone } = MARKS[of];
    const rows = wrap(text.replaceAll('\t', '    ').trimEnd(), room).map((part, row): Row => [
      span(` ${row === 0 ? String(line).padStart(width) : ' '.repeat(width)} `, 'dim'),
      span(`${mark} ${part}`, tone),
    ]);
    return isGap(lines[index - 1], lines[index]) ? [[span(` ${' '.repeat(width)} ⋮`, 'dim')], ...rows] : rows;
  });
}

/** Whether lines that both have alike were left out before `after`. */
function isGap(before: DiffLine | undefined, after: DiffLine | undefined): boolean {
  return before?.of === 'both' && after?.of === 'both' && after.line > before.line + 1;
}

const MARKS: Readonly<Record<DiffLine['of'], { mark: string; tone: Tone | undefined }>> = {
  host: { mark: '-', tone: 'bad' },
  container: { mark: '+', tone: 'good' },
  both: { mark: ' ', tone: undefined },
};

function sentence(text: string, columns: number): Row[] {
  return wrapWords(text, columns - 4).map((row) => [span('   '), span(row)]);
}
