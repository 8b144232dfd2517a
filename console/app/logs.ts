/** The container's log as the Logs pane keeps it: the newest lines, what passes the filter, and where the reader is. */
import { explainLine, type Explanation } from '../../shared/core/explain/match.ts';
import type { LogLine } from '../engine/view.ts';
import { plainLine } from '../text/plain.ts';
import { span, wrap, type Row, type Tone } from './rows.ts';

export const LOG_LINES = 10_000;
/** Characters of one line that are kept. */
const LONGEST = 4000;

export interface LogEntry {
  /** Counts every line that ever came, so that a place in the log survives the loss of older lines. */
  readonly seq: number;
  readonly text: string;
  readonly stream: 'stdout' | 'stderr';
  readonly part: 'text' | 'frame' | 'error';
  /** What is known of such a line. */
  readonly said?: Explanation;
}

export interface Logs {
  /** Oldest first, at most LOG_LINES. */
  readonly entries: readonly LogEntry[];
  /** Those of them that pass the filter. */
  readonly shown: readonly LogEntry[];
  readonly filter: string;
  /** The entry at the pane's bottom; null follows the newest. */
  readonly bottom: number | null;
  readonly next: number;
  readonly inTraceback: boolean;
  /** The traceback that is being printed, as far as it is needed to tell what its last line means. */
  readonly traceback: readonly string[];
  /** The newest explanation, until it is dismissed. */
  readonly said: Explanation | null;
}

export const NO_LOGS: Logs = {
  entries: [],
  shown: [],
  filter: '',
  bottom: null,
  next: 0,
  inTraceback: false,
  traceback: [],
  said: null,
};

/** Lines of a batch that are explained, the newest: an error costs some 20 µs, and a flood of them may fill each batch. */
const EXPLAINED_LINES = 500;

/** Lines of a traceback that are kept for its explanation. */
const TRACEBACK_LINES = 200;

export function appendLogs(logs: Logs, lines: readonly LogLine[]): Logs {
  const fresh: LogEntry[] = [];
  let { next, inTraceback, said } = logs;
  const traceback = [...logs.traceback];
  for (const [index, line] of lines.entries()) {
    if (OWN_REQUEST.test(line.text)) continue;
    const text = plainLine(line.text.slice(0, LONGEST)).trimEnd();
    const part = partOf(text, inTraceback);
    inTraceback = part === 'frame';
    if (inTraceback) traceback.push(text);
    const isMeant = index >= lines.length - EXPLAINED_LINES && !inTraceback && !text.startsWith(OWN_LINE);
    const known = isMeant ? explainLine(text, () => traceback.join('\n')) : null;
    if (!inTraceback) traceback.length = 0;
    if (traceback.length > TRACEBACK_LINES) traceback.shift();
    said = known ?? said;
    fresh.push({ seq: next++, text, stream: line.stream, part, ...(known === null ? {} : { said: known }) });
  }
  const entries = keepNewest(logs.entries, fresh);
  const shown = logs.filter === '' ? entries : keepNewest(logs.shown, fresh.filter(passes(logs.filter)));
  return { ...logs, entries, shown, next, inTraceback, traceback, said };
}

export function filterLogs(logs: Logs, filter: string): Logs {
  return { ...logs, filter, shown: filter === '' ? logs.entries : logs.entries.filter(passes(filter)), bottom: null };
}

/** Moves the reader by `lines`, down when positive; the end of the log follows again. */
export function scrollLogs(logs: Logs, lines: number, rows: number): Logs {
  const { shown } = logs;
  const last = shown.length - 1;
  const at = bottomIndex(logs) + lines;
  if (at >= last) return { ...logs, bottom: null };
  const first = Math.min(rows - 1, last);
  const entry = shown[Math.max(first, at)];
  return entry === undefined || first === last ? { ...logs, bottom: null } : { ...logs, bottom: entry.seq };
}

/** How many lines came after the last one on the screen. */
export function linesBelow(logs: Logs): number {
  return logs.bottom === null ? 0 : Math.max(0, logs.shown.length - 1 - bottomIndex(logs));
}

/** The last `rows` rows above and with the reader's place, long lines wrapped. */
export function logRows(logs: Logs, rows: number, columns: number): Row[] {
  const { shown } = logs;
  const bottom = bottomIndex(logs);
  const built: Row[] = [];
  for (let at = bottom; at >= 0 && built.length < rows; at -= 1) {
    const entry = shown[at];
    if (entry !== undefined) built.unshift(...entryRows(entry, columns));
  }
  for (let at = bottom + 1; at < shown.length && built.length < rows; at += 1) {
    const entry = shown[at];
    if (entry !== undefined) built.push(...entryRows(entry, columns));
  }
  return built.slice(-rows);
}

function bottomIndex({ shown, bottom }: Logs): number {
  if (bottom === null) return shown.length - 1;
  let low = 0;
  let high = shown.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((shown[middle]?.seq ?? 0) < bottom) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, shown.length - 1);
}

function entryRows(entry: LogEntry, columns: number): Row[] {
  const tone: Tone | undefined = entry.part === 'error' ? 'bad' : entry.part === 'frame' ? 'warn' : undefined;
  const mark = entry.stream === 'stderr' ? span('▏', 'warn') : span(' ');
  return wrap(entry.text, Math.max(1, columns - 2)).map((text, row) => [
    row === 0 && entry.said !== undefined ? span('▸', 'accent') : mark,
    span(text, tone),
  ]);
}

function keepNewest(old: readonly LogEntry[], fresh: readonly LogEntry[]): readonly LogEntry[] {
  if (fresh.length === 0) return old;
  const all = fresh.length >= LOG_LINES ? fresh : [...old.slice(-(LOG_LINES - fresh.length)), ...fresh];
  return all.slice(-LOG_LINES);
}

function passes(filter: string): (entry: LogEntry) => boolean {
  const wanted = filter.toLowerCase();
  return ({ text }) => text.toLowerCase().includes(wanted);
}

/** gunicorn's access log ends with the user agent; Drydock's own health checks would drown everything else. */
const OWN_REQUEST = /"drydock[^"]*"\s*$/;

/** What Drydock itself says in the log needs no other words. */
const OWN_LINE = 'drydock: ';

/** Python prints a traceback as a head, indented frames and one unindented line with the error; pointers (^^^) belong to it. */
function partOf(text: string, inTraceback: boolean): LogEntry['part'] {
  if (TRACEBACK.test(text)) return 'frame';
  if (text.startsWith(OWN_LINE)) return 'error';
  if (!inTraceback) return 'text';
  return /^\s/.test(text) || text === '' ? 'frame' : 'error';
}

const TRACEBACK = /^(?:.* )?Traceback \(most recent call last\):$/;
