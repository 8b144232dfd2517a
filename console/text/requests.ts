/** Requests, answers and their failures in lines, for verbs and console alike. */
import type { Difference } from '../../shared/core/difference.ts';
import { isGood, type Exchange, type LoadResult, type Summary } from '../../shared/core/requests.ts';
import type { Frame, PythonFailure } from '../../shared/core/service.ts';

/** Characters of a body that are shown, and up to which JSON is laid out. */
const MAX_SHOWN = 20_000;
const MAX_PRETTY = 4_000;

export const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

export const clockTime = (at: number): string => new Date(at).toTimeString().slice(0, 8);

/** `POST /score → 200 in 3.4 ms` */
export function headline({ method, path, query, status, ms, trouble }: Summary | Exchange): string {
  const what = `${method} ${path}${query === '' ? '' : `?${query}`}`;
  return `${what} → ${trouble ?? `${status} in ${milliseconds(ms)}`}`;
}

/** JSON is laid out, other text as it is, anything else told by its size. */
export function bodyText(base64: string, cut: boolean): string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0) return cut ? '(too large to be kept)' : '(empty)';
  const text = textOf(bytes);
  if (text === null) return `(${bytes.length} bytes, no text)`;
  const laidOut = cut ? text : pretty(text);
  const short = laidOut.length > MAX_SHOWN ? `${laidOut.slice(0, MAX_SHOWN)}…` : laidOut;
  return cut ? `${short}\n(cut: there was more)` : short;
}

/** Null where it is none. */
export function textOf(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return text.includes('\0') || (text.match(/\ufffd/g)?.length ?? 0) > text.length / 50 ? null : text;
}

/** Objects a line a key, arrays of plain values in one line. */
function pretty(text: string): string {
  if (text.length > MAX_PRETTY) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return text;
    return JSON.stringify(value, null, 2).replaceAll(/\[[^[\]{}]*\]/g, (list) => list.replaceAll(/\s*\n\s*/g, ' '));
  } catch {
    return text;
  }
}

export function describeExchange(exchange: Exchange): string {
  const { told, failure, fresh, answer, answerCut, trouble } = exchange;
  const lines = [`${isGood(exchange) ? '✓' : '✗'} ${headline(exchange)}`];
  if (told.length > 0) lines.push(`  ${told.map(([name, value]) => `${name}: ${value}`).join(' · ')}`);
  if (trouble === undefined) lines.push('', bodyText(answer, answerCut));
  if (failure !== null) lines.push('', ...failureLines(failure, fresh));
  return lines.join('\n');
}

/** Python's own traceback, with each frame's variables below its line. */
export function failureLines(failure: PythonFailure, fresh: boolean): readonly string[] {
  const whose = fresh ? ' (a fresh process of the same code was asked the same)' : '';
  const hint = failure.hint === undefined ? [] : [`→ ${failure.hint}`];
  return [`What the code raised${whose}:`, ...withVariables(failure), ...hint];
}

/** The traceback's lines; the variables of a frame follow its own. */
export function withVariables({ traceback, frames }: PythonFailure): readonly string[] {
  const waiting = [...frames];
  let shown: Frame | undefined;
  const lines: string[] = [];
  const flush = (): void => {
    for (const { name, value } of shown?.locals ?? []) lines.push(`      ${name} = ${value}`);
    shown = undefined;
  };
  for (const line of traceback.trimEnd().split(/\r?\n/)) {
    const place = /^\s*File "(.*)", line (\d+)/.exec(line);
    if (place !== null || !/^\s/.test(line)) flush();
    lines.push(line);
    if (place === null) continue;
    const at = waiting.findIndex(({ file, line: number }) => file === place[1] && number === Number(place[2]));
    if (at >= 0) [shown] = waiting.splice(at, 1);
  }
  flush();
  return lines;
}

export function describeDifferences(found: readonly Difference[]): readonly string[] {
  return found.map(({ at, before, now }) =>
    before === null
      ? `${at}: new: ${now ?? ''}`
      : now === null
        ? `${at}: gone: ${before}`
        : `${at}: ${before} → ${now}`,
  );
}

export function describeLoad({ sent, achieved, statuses, ms, runMs }: LoadResult, rate: number): string {
  const told = Object.entries(statuses).map(([status, count]) => `${status === '0' ? 'no answer' : status}: ${count}`);
  const lines = [`${sent} requests at ${rate} a second, ${achieved.toFixed(1)} answered a second (${told.join(', ')})`];
  if (ms !== null) {
    const { p50, p90, p95, p99, max } = ms;
    const all = { p50, p90, p95, p99, max };
    lines.push(
      `  ${Object.entries(all)
        .map(([name, value]) => `${name} ${milliseconds(value)}`)
        .join(' · ')}`,
    );
  }
  if (runMs !== null) lines.push(`  of which run() took ${milliseconds(runMs)} (median)`);
  return lines.join('\n');
}
