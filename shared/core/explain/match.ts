/** The rule for a single line. */
import { LONGEST_LINE, type Captures, type Facts, type Place, type Rule, type Stage, type Weight } from './rule.ts';
import { RULES } from './rules.ts';

export interface Explanation {
  /** The rule's ID. */
  readonly rule: string;
  readonly stage: Stage;
  readonly weight: Weight;
  readonly cause: string;
  readonly mend: string;
  /** The public case that the rule comes from. */
  readonly source: string;
  /** The line that says it, or the part of a long one. */
  readonly line: string;
  readonly place?: Place;
}

export const WEIGHTS: Readonly<Record<Weight, number>> = { cause: 2, effect: 1, warning: 0 };

/** Characters of a line that are shown, and those of them before the match. */
const SHOWN = 300;
const SHOWN_BEFORE = 80;

const LITERALS = [...new Set(RULES.flatMap(({ has }) => has))];
/** One look at a line tells whether any rule can match: a log may bring thousands of lines a second. */
const ANY = new RegExp(LITERALS.map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'));

export interface Match {
  readonly rule: Rule;
  readonly captures: Captures;
  /** Where in the line. */
  readonly index: number;
}

/** The weightiest rule for a line; `around` is its traceback, or the lines before it. */
export function matchLine(
  line: string,
  around: () => string,
  facts: Facts,
  isMeant: (rule: Rule) => boolean,
): Match | undefined {
  const text = line.slice(0, LONGEST_LINE);
  if (!ANY.test(text)) return undefined;
  let best: Match | undefined;
  for (const rule of RULES) {
    if (best !== undefined && WEIGHTS[rule.weight] <= WEIGHTS[best.rule.weight]) continue;
    if (!isMeant(rule) || !rule.has.some((literal) => text.includes(literal))) continue;
    const found = rule.pattern.exec(text);
    if (found === null || rule.near?.test(around()) === false) continue;
    const [whole, first = '', second = '', third = ''] = found;
    const captures = [whole, first, second, third] as const;
    if (rule.when?.(captures, facts) !== false) best = { rule, captures, index: found.index };
  }
  return best;
}

export function explanationOf({ rule, captures, index }: Match, line: string, facts: Facts): Explanation {
  const say = (words: Rule['cause']): string => (typeof words === 'string' ? words : words(captures, facts));
  const from = line.length <= SHOWN ? 0 : Math.max(0, index - SHOWN_BEFORE);
  const { place } = facts;
  return {
    rule: rule.id,
    stage: rule.stage,
    weight: rule.weight,
    cause: say(rule.cause),
    mend: say(rule.mend),
    source: rule.source,
    line: line.slice(from, from + SHOWN).trim(),
    ...(place === undefined ? {} : { place }),
  };
}

/** What a single line says by itself; rules that need more of the text say nothing. */
export function explainLine(line: string, around: () => string, facts: Facts = {}): Explanation | null {
  const match = matchLine(line, around, facts, ({ repeats, last }) => repeats === undefined && last !== true);
  return match === undefined ? null : explanationOf(match, line, facts);
}
