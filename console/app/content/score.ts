/** The Score pane and an open request. */
import { isGood, type Exchange, type Summary } from '../../../shared/core/requests.ts';
import type { PythonFailure } from '../../../shared/core/service.ts';
import type { Replayed } from '../../engine/replay.ts';
import { bodyText, clockTime, describeDifferences, headline, milliseconds } from '../../text/requests.ts';
import { bytes, count, elapsed, spinner } from '../format.ts';
import { chosenRequest, shownRequests } from '../requests.ts';
import { cut, ends, pad, span, wrap, wrapWords, type Content, type Row } from '../rows.ts';
import type { Dialog, State } from '../state.ts';
import { tracebackRows } from './details.ts';
import { troubleRows } from './undo.ts';

export function scoreContent(state: State, columns: number): Content {
  const { view, score, now } = state;
  const kept = view?.requests;
  const all = shownRequests(state);
  const sending: Row[] =
    score.since === null
      ? []
      : [
          [
            span(` ${spinner(score.since, now)} `, 'accent'),
            span(`asking the service … ${elapsed(now - score.since)}`),
          ],
        ];
  if (kept === undefined || kept.list.length === 0) return [...sending, ...adviceRows(columns)];
  const failed = all.filter((one) => !isGood(one)).length;
  const head = ends(
    [span(` ${count(all.length, 'request')}`, 'strong'), span(failed === 0 ? '' : `, ${failed} not well`, 'bad')],
    [span(`${bytes(kept.bytes)} of ${bytes(kept.limit)} `, 'dim')],
    columns,
  );
  const { at } = chosenRequest(state);
  const before = [...sending, head, []];
  return {
    length: before.length + all.length,
    slice: (from, to) => [
      ...before.slice(from, to),
      ...all
        .slice(Math.max(0, from - before.length), Math.max(0, to - before.length))
        .map((one, index) => requestRow(one, Math.max(0, from - before.length) + index === at, columns)),
    ],
  };
}

const adviceRows = (columns: number): Row[] =>
  wrapWords(
    'Requests to the service stand here as they come: what was asked, what was answered, and what the code raised, with its variables. t sends the sample, or the last good request; l sends it many times a second.',
    columns - 4,
  ).map((row): Row => [span('   '), span(row, 'dim')]);

function requestRow(one: Summary, chosen: boolean, columns: number): Row {
  const { at, status, ms, method, path, failed, source, trouble, size } = one;
  const good = isGood(one);
  const text =
    failed ??
    trouble ??
    `${bytes(size)}${source === 'client' ? '' : source === 'score' ? ', sent from here' : ', asked again'}`;
  const start: Row = [
    span(chosen ? ' ▸ ' : '   ', 'accent'),
    span(`${clockTime(at)}  `, 'dim'),
    span(pad(status === 0 ? '—' : String(status), 3), good ? 'good' : 'bad'),
    span(`  ${pad(milliseconds(ms), 8, 'right')}  `),
    span(pad(`${method} ${path}`, Math.min(24, Math.max(12, Math.floor(columns / 4)))), chosen ? 'strong' : undefined),
    span('  '),
  ];
  const room = columns - start.reduce((sum, { text: piece }) => sum + piece.length, 0) - 1;
  return [...start, span(cut(text, Math.max(8, room)), failed === null && trouble === undefined ? 'dim' : 'bad')];
}

type RequestDialog = Extract<Dialog, { kind: 'request' }>;

export function requestRows(
  { exchange, replayed, busy, since, trouble }: RequestDialog,
  now: number,
  columns: number,
): Row[] {
  const waiting: Row[] = busy
    ? [
        [span(` ${spinner(since, now)} `, 'accent'), span(`asking the code that serves now … ${elapsed(now - since)}`)],
        [],
      ]
    : [];
  if (trouble !== null) return [...waiting, ...troubleRows(trouble, columns)];
  if (exchange === null) return waiting.length > 0 ? waiting : [[span(' …', 'dim')]];
  return [...waiting, ...(replayed === null ? [] : replayRows(replayed, columns)), ...exchangeRows(exchange, columns)];
}

function replayRows({ ok, before, now, differences, skipped }: Replayed, columns: number): Row[] {
  if (now === null) return [[span(' ! ', 'warn'), span(skipped ?? '')], []];
  const compared = isGood(before) ? `as at ${clockTime(before.at)}` : `it failed at ${clockTime(before.at)}`;
  const verdict =
    skipped ??
    (ok
      ? isGood(before)
        ? `the same answer ${compared}`
        : `good now; ${compared}`
      : isGood(now)
        ? `answers otherwise than at ${clockTime(before.at)}`
        : 'not well');
  const rows: Row[] = [
    [
      skipped === undefined ? span(ok ? ' ✓ ' : ' ✗ ', ok ? 'good' : 'bad') : span(' ! ', 'warn'),
      span(`again: ${now.status} in ${milliseconds(now.ms)}`, 'strong'),
      span(`, before ${milliseconds(before.ms)}: ${verdict}`),
    ],
    ...describeDifferences(differences).flatMap((line) =>
      wrap(line, columns - 6).map((row, index): Row => [span(index === 0 ? '   ≠ ' : '     ', 'warn'), span(row)]),
    ),
  ];
  if (now.failure !== null) rows.push(...failureRows(now.failure, now.fresh, columns));
  else if (!isGood(now) || differences.length > 0)
    rows.push([], ...bodyRows('answer now', bodyText(now.answer, now.answerCut), columns));
  return [...rows, [], [span(' Before', 'strong')], []];
}

function exchangeRows(exchange: Exchange, columns: number): Row[] {
  const { told, failure, fresh, body, cut: isCut, answer, answerCut, trouble } = exchange;
  const good = isGood(exchange);
  const rows: Row[] = [
    [
      span(good ? ' ✓ ' : ' ✗ ', good ? 'good' : 'bad'),
      span(headline(exchange), 'strong'),
      span(`  ${clockTime(exchange.at)}`, 'dim'),
    ],
  ];
  if (failure !== null) rows.push(...failureRows(failure, fresh, columns));
  rows.push([], ...bodyRows('request', bodyText(body, isCut), columns));
  if (trouble === undefined) rows.push([], ...bodyRows('answer', bodyText(answer, answerCut), columns));
  rows.push(
    [],
    ...told.flatMap(([name, value]) =>
      wrap(`${name}: ${value}`, columns - 4).map((row): Row => [span('   '), span(row, 'dim')]),
    ),
  );
  return rows;
}

function failureRows(failure: PythonFailure, fresh: boolean, columns: number): Row[] {
  const whose: Row[] = fresh ? [[span('   a fresh process of the same code was asked the same', 'dim')]] : [];
  const hint =
    failure.hint === undefined
      ? []
      : wrapWords(failure.hint, columns - 4).map((line, index): Row => [
          span(index === 0 ? ' → ' : '   ', 'accent'),
          span(line),
        ]);
  return [[], ...hint, ...whose, ...tracebackRows(failure, columns)];
}

function bodyRows(title: string, text: string, columns: number): Row[] {
  const lines = text.split('\n').flatMap((line) => wrap(line, columns - 4));
  return [[span(` ${title}`, 'strong')], ...lines.map((row): Row => [span('   '), span(row)])];
}
