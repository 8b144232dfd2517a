/**
 * Text in cells: what a terminal row is made of before it has colours. Widths are terminal cells, not characters.
 *
 * Every text that is drawn goes through here, and loses its control characters here: so nothing that a container sent
 * can move the cursor.
 */
import stringWidth from 'string-width';
import { plainLine } from '../text/plain.ts';

/** What a piece of text means; console/ui/theme.ts says how that looks. */
export type Tone = 'dim' | 'strong' | 'good' | 'bad' | 'warn' | 'accent' | 'key' | 'chosen';

export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}

export type Row = readonly Span[];

/** Rows of which only some are on the screen; an array of rows is one. */
export interface Content {
  readonly length: number;
  slice(from: number, to: number): readonly Row[];
}

export function span(text: string, tone?: Tone): Span {
  return tone === undefined ? { text: clean(text) } : { text: clean(text), tone };
}

export function widthOf(row: Row | string): number {
  return typeof row === 'string' ? cells(row) : row.reduce((sum, { text }) => sum + cells(text), 0);
}

/** `text` in at most `width` cells, its end given up for `…`. */
export function cut(text: string, width: number): string {
  const plain = clean(text);
  if (cells(plain) <= width) return plain;
  return width <= 0 ? '' : `${head(plain, width - 1)}…`;
}

/** A path in at most `width` cells: the middle goes, because its end says most. */
export function cutPath(raw: string, width: number): string {
  const path = clean(raw);
  if (cells(path) <= width) return path;
  if (width <= 1) return cut(path, width);
  const start = path.startsWith('~/') ? '~/' : path.startsWith('/') ? '/' : '';
  const room = width - start.length - 1;
  const parts = path.split('/');
  let tail = '';
  while (parts.length > 0) {
    const longer = `/${parts.pop() ?? ''}${tail}`;
    if (cells(longer) > room) break;
    tail = longer;
  }
  return tail === '' ? `…${end(path, width - 1)}` : `${start}…${tail}`;
}

/** The row in at most `width` cells. */
export function cutRow(row: Row, width: number): Row {
  const fitted: Span[] = [];
  let left = width;
  for (const piece of row) {
    const wide = cells(piece.text);
    if (wide > left) {
      fitted.push({ ...piece, text: cut(piece.text, left) });
      return fitted;
    }
    fitted.push(piece);
    left -= wide;
  }
  return fitted;
}

export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const short = cut(text, width);
  const gap = ' '.repeat(Math.max(0, width - cells(short)));
  return side === 'left' ? short + gap : gap + short;
}

/** `left` and `right` at the two ends of a row; `left` gives way. */
export function ends(left: Row, right: Row, width: number): Row {
  const room = width - widthOf(right);
  if (room < 3) return cutRow(left, width);
  const start = cutRow(left, room - 2);
  return [...start, span(' '.repeat(room - widthOf(start))), ...right];
}

/** As many of `parts` as fit, in their order; the least important (highest rank) go first. */
export function choose(
  parts: readonly { readonly row: Row; readonly rank: number }[],
  width: number,
  gap: string,
): Row {
  let kept = [...parts];
  const total = () => kept.reduce((sum, { row }) => sum + widthOf(row), Math.max(0, kept.length - 1) * gap.length);
  while (kept.length > 1 && total() > width) {
    const worst = Math.max(...kept.map(({ rank }) => rank));
    const at = kept.findLastIndex(({ rank }) => rank === worst);
    kept = kept.filter((_, index) => index !== at);
  }
  return kept.flatMap(({ row }, index) => (index === 0 ? row : [span(gap), ...row]));
}

/** Wraps at `width` cells, at a space where one is near. An empty text is one empty row. */
export function wrap(text: string, width: number): string[] {
  const rows: string[] = [];
  let rest = clean(text);
  while (cells(rest) > width) {
    const full = head(rest, width);
    if (full === '') break; // narrower than one wide character
    const space = rest[full.length] === ' ' ? full.length : full.lastIndexOf(' ') + 1;
    const row = space > full.length * 0.6 ? rest.slice(0, space) : full;
    rows.push(row);
    rest = rest.slice(row.length + (rest[row.length] === ' ' ? 1 : 0));
  }
  rows.push(rest);
  return rows;
}

/** Wraps between words where it can. */
export function wrapWords(text: string, width: number): string[] {
  const rows: string[] = [];
  let row = '';
  for (const word of clean(text).split(' ')) {
    const longer = row === '' ? word : `${row} ${word}`;
    if (cells(longer) <= width) {
      row = longer;
      continue;
    }
    if (row !== '') rows.push(row);
    const pieces = wrap(word, width);
    row = pieces.pop() ?? '';
    rows.push(...pieces);
  }
  rows.push(row);
  return rows;
}

const ASCII = /^[ -~]*$/;
const graphemes = new Intl.Segmenter();

/** What a reader takes for letters: an accent or a joined emoji stays with its base. */
export function letters(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

function clean(text: string): string {
  return ASCII.test(text) ? text : plainLine(text);
}

function cells(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** The longest start of `text` in `width` cells. */
function head(text: string, width: number): string {
  if (ASCII.test(text)) return text.slice(0, width);
  let taken = 0;
  let length = 0;
  for (const { segment } of graphemes.segment(text)) {
    taken += stringWidth(segment);
    if (taken > width) break;
    length += segment.length;
  }
  return text.slice(0, length);
}

function end(text: string, width: number): string {
  let taken = 0;
  let from = text.length;
  for (const { segment, index } of [...graphemes.segment(text)].reverse()) {
    taken += stringWidth(segment);
    if (taken > width) break;
    from = index;
  }
  return text.slice(from);
}
