/** The Probes pane: each step of an explained check, and what to do where one is not well; and one of those steps, opened. */
import type { ProbeReport, ProbeStep } from '../../../shared/core/service.ts';
import { markOf, placedDetail, type Verdict } from '../../text/reload.ts';
import { count, duration, elapsed, spinner } from '../format.ts';
import { ends, pad, span, widthOf, wrap, wrapWords, type Row, type Span } from '../rows.ts';
import type { State } from '../state.ts';
import { tracebackRows } from './details.ts';

export interface ProbeContent {
  readonly rows: readonly Row[];
  /** The row at which each step that can be opened begins. */
  readonly marks: readonly number[];
  /** The row at which each probe begins, by its name. */
  readonly heads: ReadonlyMap<string, number>;
}

const isOpenable = ({ ok, place, failure }: ProbeStep): boolean =>
  !ok && (place !== undefined || failure !== undefined);

/** The failing steps that tell where in the code it is. */
export function openable({ probe }: State): readonly ProbeStep[] {
  return probe.parts.flatMap(({ steps }) => steps).filter(isOpenable);
}

export function probeContent({ probe, now }: State, columns: number): ProbeContent {
  const { parts, before, base, trouble, since, filter, chosen } = probe;
  if (trouble !== null) return { rows: [...troubleRows(trouble, columns)], marks: [], heads: new Map() };
  if (since === null && parts.length === 0) return { rows: adviceRows(columns), marks: [], heads: new Map() };
  const marks: number[] = [];
  const heads = new Map<string, number>();
  const rows: Row[] = [verdictRow(probe, now, columns), ...oldRows(probe)];
  const shown = parts.map((part) => ({ part, steps: part.steps.filter(passes(filter)) }));
  const name = Math.min(22, Math.max(...shown.flatMap(({ steps }) => steps.map((step) => widthOf(step.name))), 0));
  for (const { part, steps } of shown) {
    if (steps.length === 0 && filter !== '') continue;
    heads.set(part.probe, rows.push([], headRow(part, columns)) - 1);
    const old = reportOf(before, part.probe);
    const first = reportOf(base, part.probe);
    for (const step of steps) {
      const isChosen = isOpenable(step) && marks.length === chosen;
      if (isOpenable(step)) marks.push(rows.length);
      rows.push(...stepRows(step, { name, columns, isChosen, change: changeOf(step, old, first) }));
    }
  }
  if (since !== null) {
    const waiting = waitedFor(probe);
    rows.push([], ...waiting.map((probe): Row => [span(` ${spinner(since, now)} `, 'accent'), span(probe, 'dim')]));
  }
  return { rows, marks, heads };
}

function passes(filter: string): (step: ProbeStep) => boolean {
  const wanted = filter.toLowerCase();
  return (step) => [step.name, step.detail, step.hint ?? ''].some((text) => text.toLowerCase().includes(wanted));
}

const adviceRows = (columns: number): Row[] =>
  wrapWords(
    'Press p: the service’s own Python says, step by step, what its environment, entry script, imports and model are, what import, init() and run() do in a fresh process and how long they take, and whether that serves as the worker does. P tells what of init() takes its time.',
    columns - 4,
  ).map((row) => [span('   '), span(row, 'dim')]);

const waitedFor = ({ asked, parts }: State['probe']): readonly string[] =>
  asked.filter((name) => reportOf(parts, name) === undefined);

function verdictRow(probe: State['probe'], now: number, columns: number): Row {
  const { parts, since, ms, asked } = probe;
  const steps = parts.flatMap((part) => part.steps);
  const failed = steps.filter(({ ok }) => !ok);
  const said = failed.length === 0 ? '' : `${failed.length} of ${count(steps.length, 'step')} not well`;
  if (since !== null) {
    const what = asked.length > 1 ? 'asking the service’s own Python' : 'timing the imports and loads of the code';
    const begun = [span(` ${spinner(since, now)} `, 'accent'), span(`${what} … ${elapsed(now - since)}`)];
    const arrived = asked.length - waitedFor(probe).length;
    return ends(
      [...begun, span(said === '' ? '' : `  ${said}`, 'bad')],
      asked.length > 1 ? [span(`${arrived} of ${asked.length} `, 'dim')] : [],
      columns,
    );
  }
  const took = duration(ms ?? 0);
  if (failed.length === 0) return [span(` ✓ all is well: ${count(steps.length, 'step')} in ${took}`, 'good')];
  const names = [...new Set(failed.map(({ name }) => name))].join(', ');
  return ends([span(` ✗ ${said}: `, 'bad'), span(names, 'strong')], [span(`${took} `, 'dim')], columns);
}

const SINCE = {
  save: 'of the code before the last save',
  reload: 'of the code before the last reload',
  link: 'of the time before the link was lost',
} as const;

/** They run code of the user's, so they are not asked again unasked. */
function oldRows({ old, since }: State['probe']): Row[] {
  return old === null || since !== null ? [] : [[span(' ! ', 'warn'), span(`${SINCE[old]}; p asks again`)]];
}

function headRow({ probe, ok, steps, ms }: ProbeReport, columns: number): Row {
  const verdict = { ok, skipped: steps.some(({ skipped }) => skipped === true) };
  return ends(
    [span(` ${markOf(verdict)} `, colourOf(verdict)), span(probe, 'strong')],
    [span(`${duration(ms)} `, 'dim')],
    columns,
  );
}

const colourOf = ({ ok, skipped = false }: Verdict) => (skipped ? 'dim' : ok ? 'good' : 'bad');

export const reportOf = (reports: readonly ProbeReport[], name: string): ProbeReport | undefined =>
  reports.find(({ probe }) => probe === name);

/**
 * A failure is new against `base`, where each step is as it was when it was well last; the mend of one is told once, after
 * the report `before`. Null where nothing changed, or nothing is known of it.
 */
export function changeOf(
  step: ProbeStep,
  before: ProbeReport | undefined,
  base: ProbeReport | undefined = before,
): 'new' | 'mended' | null {
  if (step.skipped === true) return null;
  const same = (report: ProbeReport | undefined) => report?.steps.filter(({ name }) => name === step.name) ?? [];
  if (step.ok) return same(before).length > 0 && same(before).every(({ ok }) => !ok) ? 'mended' : null;
  return base === undefined || same(base).some(({ ok }) => !ok) ? null : 'new';
}

interface Looks {
  /** Cells of the names. */
  readonly name: number;
  readonly columns: number;
  readonly isChosen: boolean;
  readonly change: 'new' | 'mended' | null;
}

function stepRows(step: ProbeStep, { name, columns, isChosen, change }: Looks): Row[] {
  const { ok, hint } = step;
  const marked = change === null ? '' : `${change}  `;
  const room = Math.max(10, columns - name - 9);
  const lines = placedDetail(step)
    .split('\n')
    .flatMap((line, index) => wrapWords(index === 0 ? marked + line : line, room));
  const detail = (line: string, index: number): Span[] =>
    index === 0 && marked !== ''
      ? [span(marked, change === 'new' ? 'warn' : 'good'), span(line.slice(marked.length))]
      : [span(line)];
  return [
    ...lines.map((line, index): Row => [
      span(index === 0 && isChosen ? ' ▸ ' : '   ', 'accent'),
      index === 0 ? span(`${markOf(step)} `, colourOf(step)) : span('  '),
      span(index === 0 ? pad(step.name, name) : ' '.repeat(name), ok ? 'dim' : 'strong'),
      span('  '),
      ...detail(line, index),
    ]),
    ...hinted(hint, columns, name + 4),
  ];
}

function troubleRows({ message, hint }: NonNullable<State['probe']['trouble']>, columns: number): Row[] {
  return [
    ...wrapWords(message, columns - 4).map((row, index) => [span(index === 0 ? ' ✗ ' : '   ', 'bad'), span(row)]),
    ...hinted(hint, columns),
  ];
}

function hinted(hint: string | undefined, columns: number, indent = 0): Row[] {
  if (hint === undefined) return [];
  return hint
    .split('\n')
    .flatMap((line) => wrapWords(line, Math.max(10, columns - indent - 7)))
    .map((row, index) => [span(`   ${' '.repeat(indent)}${index === 0 ? '→ ' : '  '}`, 'accent'), span(row)]);
}

// A step, opened ------------------------------------------------------------------------------------------------------

export function openedRows({ place, hint, detail, failure }: ProbeStep, columns: number): Row[] {
  const said = detail.split('\n').flatMap((line) => wrapWords(line, columns - 4));
  return [
    ...said.map((row, index): Row => [span(index === 0 ? ' ✗ ' : '   ', 'bad'), span(row)]),
    ...hinted(hint, columns),
    ...(place === undefined
      ? []
      : [[], [span(` ${place.file}:${place.line}`, 'strong')], ...sourceRows(place, columns)]),
    ...(failure === undefined ? [] : [[], ...tracebackRows(failure, columns)]),
  ];
}

function sourceRows({ line, source }: NonNullable<ProbeStep['place']>, columns: number): Row[] {
  if (source === undefined) return [];
  const width = String(source.first + source.lines.length).length;
  return source.lines.flatMap((text, index) => {
    const at = source.first + index;
    const isIt = at === line;
    return wrap(text, Math.max(10, columns - width - 8)).map((row, part): Row => [
      span(isIt && part === 0 ? ' ▸ ' : '   ', 'accent'),
      span(`${part === 0 ? pad(String(at), width, 'right') : ' '.repeat(width)} │ `, 'dim'),
      span(row, isIt ? 'bad' : undefined),
    ]);
  });
}
