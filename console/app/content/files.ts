/** The Files pane: a row a file, conflicts and frozen files first and named by a word. */
import type { FileRow } from '../../engine/view.ts';
import { ago, bytes, duration, spinner, elapsed, tilde } from '../format.ts';
import { cut, cutPath, pad, span, wrapWords, type Content, type Row, type Tone } from '../rows.ts';
import type { State } from '../state.ts';

export function fileContent(state: State, columns: number): Content {
  const { view, files, now } = state;
  if (view === null) return [];
  const wanted = files.filter.toLowerCase();
  const list = view.sync.rows
    .filter(({ path }) => path.toLowerCase().includes(wanted))
    .toSorted((a, b) => urgency(a) - urgency(b));
  const top = advice(state, columns);
  const widths = widthsFor(list, columns);
  return {
    length: top.length + list.length,
    slice: (from, to) => [
      ...top.slice(from, to),
      ...list
        .slice(Math.max(0, from - top.length), Math.max(0, to - top.length))
        .map((row) => fileRow(row, widths, now)),
    ],
  };
}

/** What to do first, until something has travelled. */
function advice(state: State, columns: number): Row[] {
  const { view, begun, home, now } = state;
  if (view === null || begun) return [];
  const { link, sync } = view;
  if (link.phase === 'connecting') return waiting(link.step, link.since, now, columns);
  if (link.phase !== 'up') return [];
  if (sync.phase === 'starting') {
    return [[span(' '), span('comparing the files of both sides …', 'dim')], []];
  }
  // What keeps edits from arriving is told above, with what to do.
  if (sync.problems.some(({ path }) => path === '')) return [];
  const script = entryScript(state);
  if (sync.dir === null) {
    return lines(
      `Press s for a shell in the container and edit ${sync.root}/${script} there: the service answers with the new code.`,
      columns,
    );
  }
  const path = cutPath(`${tilde(sync.dir, home)}/${script}`, Math.max(20, columns - 40));
  return lines(`Edit ${path} in your editor and save: the service answers with the new code at once.`, columns);
}

function waiting(step: string, since: number, now: number, columns: number): Row[] {
  const text = cut(`${step} … ${elapsed(now - since)}`, columns - 4);
  return [[span(` ${spinner(since, now)} `, 'accent'), span(text)], []];
}

function lines(text: string, columns: number): Row[] {
  return [
    ...wrapWords(text, columns - 4).map((row, index) => [
      span(index === 0 ? ' ▸ ' : '   ', 'accent'),
      span(row, 'strong'),
    ]),
    [],
  ];
}

/** The entry script relative to the folder that is synced. */
function entryScript({ view }: State): string {
  const script = view?.service?.entryScript ?? 'score.py';
  const root = view?.sync.root ?? '';
  return script.startsWith(`${root}/`) ? script.slice(root.length + 1) : (script.split('/').at(-1) ?? script);
}

const GAP = '  ';
const SIZE = 6;
/** `out 120 ms` */
const TRAVEL = 10;
/** `59 min ago` */
const WHEN = 10;

/** Cells of each column; 0 where there is nothing to say, or no room to say it. */
interface Widths {
  readonly path: number;
  readonly travel: number;
  readonly when: number;
  readonly note: number;
}

function widthsFor(list: readonly FileRow[], columns: number): Widths {
  const travelled = list.some(({ last }) => last !== null);
  const travel = travelled ? TRAVEL : 0;
  const when = travelled && columns >= 70 ? WHEN : 0;
  const used = [SIZE, travel, when].reduce((sum, width) => sum + (width > 0 ? width + GAP.length : 0), 3);
  const room = Math.max(12, columns - used - 1);
  const longest = list.reduce((most, { path, kind }) => Math.max(most, path.length + (kind === 'dir' ? 1 : 0)), 12);
  const note = list.reduce((most, row) => Math.max(most, noteOf(row).length), 0);
  const path = Math.min(longest, Math.max(Math.floor(room * 0.5), room - note - GAP.length));
  return { path, travel, when, note: room - path - GAP.length };
}

function fileRow(row: FileRow, widths: Widths, now: number): Row {
  const tone: Tone | undefined = row.state === 'conflict' ? 'bad' : row.state === 'frozen' ? 'warn' : undefined;
  const name = row.kind === 'dir' ? `${row.path}/` : row.path;
  const travel = row.last === null ? '' : `${row.last.to === 'container' ? 'out' : 'in '} ${duration(row.last.ms)}`;
  const note = noteOf(row);
  const cell = (text: string, width: number) => (width === 0 ? '' : GAP + pad(text, width));
  const middle = cell(travel, widths.travel);
  const when = cell(row.last === null ? '' : ago(row.last.at, now), widths.when);
  // A note that is too long for its column takes those that have nothing to say, or less.
  const spread = note.length > widths.note && (row.last === null || tone !== undefined);
  return [
    span(tone === undefined ? '   ' : ' ! ', tone),
    span(pad(cutPath(name, widths.path), widths.path), tone),
    span(GAP + pad(row.kind === 'dir' && row.size === 0 ? '' : bytes(row.size), SIZE, 'right')),
    ...(spread ? [] : [span(middle, 'accent'), span(when, 'dim')]),
    span(note === '' ? '' : GAP + note, tone ?? 'dim'),
  ];
}

function noteOf({ state, note }: FileRow): string {
  return [WORDS[state], note ?? ''].filter((text) => text !== '').join(' · ');
}

const WORDS: Readonly<Record<FileRow['state'], string>> = {
  equal: '',
  pending: 'not there yet',
  conflict: 'conflict',
  frozen: 'frozen',
  'container-only': 'not copied',
  copied: 'copied',
};

function urgency({ state }: FileRow): number {
  return state === 'conflict' ? 0 : state === 'frozen' ? 1 : 2;
}
