/** Any text that a user has, in; what it says, where, why and what mends it, out. */
import type { PythonFailure } from '../service.ts';
import { explainLine, explanationOf, matchLine, WEIGHTS, type Explanation, type Match } from './match.ts';
import type { Facts, Place, Rule, Stage } from './rule.ts';
import { findTracebacks, placeIn, placeOf, placeOfFrame, splitLines, type Line } from './text.ts';

export interface Found extends Explanation {
  /** Line number in the text, from 1. */
  readonly at: number;
}

export interface Report {
  /** The decisive one first, each rule once. */
  readonly explanations: readonly Found[];
  /** The last traceback in the text, explained or not. */
  readonly traceback: PythonFailure | null;
}

/** Lines before one that count as around it. */
const BEFORE = 20;
/** Lines of a message that stand below the exception's own. */
const MESSAGE_LINES = 8;

/** `text` has no control characters but line ends and tabs. */
export function explain(text: string, facts: Facts = {}): Report {
  const lines = splitLines(text);
  const tracebacks = findTracebacks(lines);
  const isBuild = BUILD.test(text);
  const last = lines.findLastIndex((line) => line.text.trim() !== '');
  const repeated = new Map<Rule, { match: Match; index: number }[]>();
  const found = new Map<string, Found>();
  const note = (match: Match, index: number, place: Place | undefined) => {
    const { text: line, at } = lines[index] ?? { text: '', at: 0 };
    const said = explanationOf(match, line, place === undefined ? facts : { ...facts, place });
    found.set(said.rule, { ...said, stage: stageOf(said.stage, said.place, isBuild), at });
  };
  let reached = 0;
  for (const [index, { text: line }] of lines.entries()) {
    while ((tracebacks[reached]?.from ?? Infinity) <= index) reached++;
    const before = tracebacks[reached - 1];
    const inside = before !== undefined && index <= before.to + MESSAGE_LINES ? before : undefined;
    const around = () => inside?.failure.traceback ?? linesBefore(lines, index);
    const match = matchLine(line, around, facts, (rule) => rule.last !== true || index === last);
    if (match === undefined) continue;
    if (match.rule.repeats === undefined) {
      // What came of it stands below the traceback, and is not of its place.
      const isThere = inside !== undefined && match.rule.weight !== 'effect';
      note(match, index, (isThere ? placeOf(tracebacks, reached - 1) : undefined) ?? placeIn(line));
    } else {
      const seen = repeated.get(match.rule) ?? [];
      seen.push({ match, index });
      repeated.set(match.rule, seen);
    }
  }
  for (const [rule, seen] of repeated) {
    const newest = seen.at(-1);
    if (newest !== undefined && isRepeated(rule, seen, lines)) note(newest.match, newest.index, undefined);
  }
  const explanations = [...found.values()].toSorted((a, b) => WEIGHTS[b.weight] - WEIGHTS[a.weight] || b.at - a.at);
  return { explanations, traceback: tracebacks.at(-1)?.failure ?? null };
}

/** What a failure says by itself; its message may have several lines. */
export function explainFailure(
  { type, message, traceback, frames }: PythonFailure,
  facts: Facts = {},
): Explanation | null {
  const frame = frames.findLast(({ user }) => user) ?? frames.at(-1);
  const known = frame === undefined ? facts : { ...facts, place: placeOfFrame(frame) };
  return `${type}: ${message}`
    .split('\n')
    .map((line) => explainLine(line, () => traceback, known))
    .reduce((best, said) =>
      best === null || (said !== null && WEIGHTS[said.weight] > WEIGHTS[best.weight]) ? said : best,
    );
}

const linesBefore = (lines: readonly Line[], index: number): string =>
  lines
    .slice(Math.max(0, index - BEFORE), index + 1)
    .map(({ text }) => text)
    .join('\n');

/** Docker's builders, old and new. */
const BUILD = /^(?:\S+ )?(?:Step \d+\/\d+ : |#\d+ \[|ERROR: failed to (?:solve|build))|returned a non-zero code: \d+/m;
const OF_CODE: readonly Stage[] = ['start', 'import', 'init', 'run'];

/** A rule says where its failure mostly belongs; the text knows better. */
function stageOf(stage: Stage, place: Place | undefined, isBuild: boolean): Stage {
  if (place?.function === undefined) return isBuild && ['start', 'import', 'init'].includes(stage) ? 'build' : stage;
  if (!OF_CODE.includes(stage)) return stage;
  const inside = place.within ?? [place.function];
  return inside.includes('init') ? 'init' : inside.includes('run') ? 'run' : 'import';
}

/** Whether the lines came so many times, not side by side, with nothing between that says all is well. */
function isRepeated({ repeats }: Rule, seen: readonly { readonly index: number }[], lines: readonly Line[]): boolean {
  if (repeats === undefined) return false;
  let times = 0;
  let previous = -1;
  for (const { index } of seen) {
    const between = lines.slice(previous + 1, index);
    if (between.some(({ text }) => repeats.calm.test(text))) times = 0;
    if (between.length > 0 || previous < 0) times++;
    previous = index;
  }
  return times >= repeats.times && !lines.slice(previous + 1).some(({ text }) => repeats.calm.test(text));
}
