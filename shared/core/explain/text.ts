/** Lines and tracebacks of a text from wherever it was copied. */
import type { Frame, PythonFailure } from '../service.ts';
import { isForeign, LINKED, parseTraceback, START } from '../traceback.ts';
import type { Place } from './rule.ts';

export interface Line {
  readonly text: string;
  /** Line number in the text, from 1. */
  readonly at: number;
}

export interface Traceback {
  /** Indices of its first and last line. */
  readonly from: number;
  readonly to: number;
  readonly failure: PythonFailure;
  /** It was raised from the one before. */
  readonly isLinked: boolean;
}

/** What others put before each line: docker's and Kubernetes' time, compose's name, BuildKit's step and seconds. */
const PREFIX = /^(?:\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) |[\w.-]+ +\| |#\d+ (?:\d+\.\d+ )?|\d+\.\d{1,3} )/;

/** A message within JSON within a message has its line ends escaped, once or more. */
const ESCAPED_END = /\\+r?\\*n/;
/** Shorter lines are one line, whatever is in them: Windows' paths have `\n` as well. */
const ESCAPED_LENGTH = 160;

export function splitLines(text: string): Line[] {
  return text.split(/\r?\n/).flatMap((raw, index) => {
    const line = raw.replace(PREFIX, '');
    const parts = line.length > ESCAPED_LENGTH && !FRAME.test(line) ? line.split(ESCAPED_END) : [line];
    return parts.map((part) => ({ text: part, at: index + 1 }));
  });
}

const FRAME = /^\s*File "/;
/** Lines of one traceback that are looked at. */
const LONGEST_TRACEBACK = 1000;

/** In their order. */
export function findTracebacks(lines: readonly Line[]): Traceback[] {
  const starts = lines.flatMap(({ text }, index) => (text.includes(START) ? [index] : []));
  const found: Traceback[] = [];
  for (const [index, from] of starts.entries()) {
    const end = Math.min(starts[index + 1] ?? lines.length, from + LONGEST_TRACEBACK);
    const text = lines
      .slice(from, end)
      .map((line) => line.text)
      .join('\n');
    const failure = parseTraceback(text, (file) => !isForeign(file));
    if (failure === null) continue;
    const previous = found.at(-1);
    const isLinked =
      previous !== undefined && lines.slice(previous.to + 1, from).some((line) => LINKED.test(line.text.trimEnd()));
    found.push({ from, to: from + failure.traceback.split('\n').length - 2, failure, isLinked });
  }
  return found;
}

/** The innermost place in the user's code of one traceback, else of what caused it. */
export function placeOf(tracebacks: readonly Traceback[], index: number): Place | undefined {
  const traceback = tracebacks[index];
  if (traceback === undefined) return undefined;
  const users = traceback.failure.frames.filter(({ user }) => user);
  const frame = users.at(-1);
  if (frame !== undefined) return { ...placeOfFrame(frame), within: users.map((user) => user.function) };
  return traceback.isLinked ? placeOf(tracebacks, index - 1) : undefined;
}

export function placeOfFrame({ file, line, function: name }: Frame): Place {
  return { file, line, function: name };
}

/** Where pip and Docker name a line of a file. */
export function placeIn(line: string): Place | undefined {
  const [, file, number] = /\(from -r (\S+) \(line (\d+)\)\)/.exec(line) ?? [];
  return file === undefined ? undefined : { file, line: Number(number) };
}
