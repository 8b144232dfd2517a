/** Where two answers differ: JSON by its paths, with a tolerance for numbers; other text by its lines. */

import { HIDDEN, secretNames } from './redact.ts';

export interface Difference {
  /** `$.result[0].score`, `line 3`; `$` for the whole. */
  readonly at: string;
  /** JSON or text, bounded; null where that side has nothing there. */
  readonly before: string | null;
  readonly now: string | null;
}

const MAX_DIFFERENCES = 100;
const MAX_SHOWN = 200;
export const TOLERANCE = 1e-6;

export interface Comparing {
  /** Relative to the larger of two numbers. */
  readonly tolerance?: number;
  /** Further words of keys whose values are not shown. */
  readonly redact?: readonly string[];
}

interface Comparison {
  readonly tolerance: number;
  readonly secret: RegExp;
  readonly found: Difference[];
}

/** At most 100. Values of keys that speak of secrets are compared, and not shown. */
export function differences(
  before: string,
  now: string,
  { tolerance = TOLERANCE, redact = [] }: Comparing = {},
): readonly Difference[] {
  if (before === now) return [];
  const comparison: Comparison = { tolerance, secret: secretNames(redact), found: [] };
  const [a, b] = [parse(before), parse(now)];
  if (a === undefined || b === undefined) byLines(before, now, comparison.found);
  else compare('$', a.value, b.value, comparison);
  return comparison.found.slice(0, MAX_DIFFERENCES);
}

function compare(at: string, a: unknown, b: unknown, comparison: Comparison): void {
  const { found, tolerance, secret } = comparison;
  if (found.length >= MAX_DIFFERENCES || a === b || areClose(a, b, tolerance)) return;
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
      const place = `${at}[${index}]`;
      if (index >= a.length) found.push({ at: place, before: null, now: shown(b[index], secret) });
      else if (index >= b.length) found.push({ at: place, before: shown(a[index], secret), now: null });
      else compare(place, a[index], b[index], comparison);
    }
  } else if (isObject(a) && isObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const place = /^[A-Za-z_]\w*$/.test(key) ? `${at}.${key}` : `${at}[${JSON.stringify(key)}]`;
      const hides = secret.test(key);
      const text = (value: unknown): string => (hides ? HIDDEN : shown(value, secret));
      if (!Object.hasOwn(a, key)) found.push({ at: place, before: null, now: text(b[key]) });
      else if (!Object.hasOwn(b, key)) found.push({ at: place, before: text(a[key]), now: null });
      else if (!hides) compare(place, a[key], b[key], comparison);
      else if (JSON.stringify(a[key]) !== JSON.stringify(b[key]))
        found.push({ at: place, before: HIDDEN, now: HIDDEN });
    }
  } else {
    const inner = typeof a === 'string' && typeof b === 'string' ? [parse(a), parse(b)] : [];
    // Scripts often return json.dumps(…), which the server makes a JSON string of.
    if (isNested(inner[0]) && isNested(inner[1])) compare(at, inner[0].value, inner[1].value, comparison);
    else found.push({ at, before: shown(a, secret), now: shown(b, secret) });
  }
}

const isNested = (parsed: { value: unknown } | undefined): parsed is { value: object } =>
  typeof parsed?.value === 'object' && parsed.value !== null;

function areClose(a: unknown, b: unknown, tolerance: number): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return false;
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function byLines(before: string, now: string, found: Difference[]): void {
  const [a, b] = [before.split('\n'), now.split('\n')];
  for (let index = 0; index < Math.max(a.length, b.length) && found.length < MAX_DIFFERENCES; index += 1) {
    if (a[index] !== b[index]) {
      found.push({ at: `line ${index + 1}`, before: cut(a[index] ?? null), now: cut(b[index] ?? null) });
    }
  }
}

const shown = (value: unknown, secret: RegExp): string =>
  cut(JSON.stringify(value, (key, held: unknown) => (key !== '' && secret.test(key) ? HIDDEN : held))) ?? '';

function cut(text: string | null): string | null {
  return text !== null && text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
