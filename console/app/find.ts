/** A text that is looked for in what stands in the panes' place: a traceback, a request, an explanation. */
import { clampScroll, contentOf, scrollOf } from './content/content.ts';
import type { Row, Span } from './rows.ts';
import { layoutOf } from './layout.ts';
import type { Find, State } from './state.ts';

/** As it is typed: the first match from the top of the screen on. */
export function findText(state: State, text: string): State {
  return goTo({ ...state, find: { text, at: null } }, scrollOf(state), 1);
}

export function findNext(state: State, direction: 1 | -1): State {
  const { find } = state;
  if (find === null) return state;
  return goTo(state, find.at === null ? scrollOf(state) : find.at + direction, direction);
}

/** `2 of 5` */
export function placeOf(state: State, find: Find): string {
  const rows = matches(state, find.text);
  const at = find.at === null ? -1 : rows.indexOf(find.at);
  return rows.length === 0 ? 'not found' : `${at + 1} of ${rows.length}`;
}

/** The nearest match from that row on, past the ends too, with some rows of what stands before it. */
function goTo(state: State, from: number, direction: 1 | -1): State {
  const { find, dialog } = state;
  if (find === null || dialog === null) return state;
  const rows = matches(state, find.text);
  const next = direction === 1 ? rows.find((row) => row >= from) : rows.findLast((row) => row <= from);
  const at = next ?? rows.at(direction === 1 ? 0 : -1) ?? null;
  if (at === null) return { ...state, find: { ...find, at } };
  const top = scrollOf(state);
  const { body } = layoutOf(state);
  const isSeen = at >= top && at < top + body;
  const scroll = isSeen ? top : clampScroll(state, at - Math.floor(body / 3));
  return { ...state, find: { ...find, at }, dialog: { ...dialog, scroll } };
}

function matches(state: State, text: string): number[] {
  const content = contentOf(state);
  const wanted = text.toLowerCase();
  if (wanted === '') return [];
  return content
    .slice(0, content.length)
    .flatMap((row, index) => (textOf(row).toLowerCase().includes(wanted) ? [index] : []));
}

const textOf = (row: Row): string => row.map(({ text }) => text).join('');

/** The row with what was found made visible. */
export function marked(row: Row, { text }: Find): Row {
  const wanted = text.toLowerCase();
  const whole = textOf(row).toLowerCase();
  if (wanted === '' || !whole.includes(wanted)) return row;
  const isIn: boolean[] = [];
  for (let at = whole.indexOf(wanted); at >= 0; at = whole.indexOf(wanted, at + wanted.length)) {
    for (let index = at; index < at + wanted.length; index += 1) isIn[index] = true;
  }
  let start = 0;
  return row.flatMap((piece) => {
    const parts = split(piece, (index) => isIn[start + index] === true);
    start += piece.text.length;
    return parts;
  });
}

/** Where the text is in and out, in turn. */
function split(piece: Span, isIn: (index: number) => boolean): Span[] {
  const parts: Span[] = [];
  let from = 0;
  for (let index = 1; index <= piece.text.length; index += 1) {
    if (index < piece.text.length && isIn(index) === isIn(from)) continue;
    const text = piece.text.slice(from, index);
    parts.push(isIn(from) ? { text, tone: 'chosen' } : { ...piece, text });
    from = index;
  }
  return parts;
}
