/** The mend of a KeyError where the request lacks the key: the names that are wanted beside those that were sent. */
import type { Frame, PythonFailure } from '../../shared/core/service.ts';

/** Keys that are named, and characters of each. */
const MAX_NAMED = 8;
const MAX_NAME = 40;

/** Of a JSON object; null for what is none. */
export function keysOf(base64: string): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : null;
  } catch {
    return null;
  }
}

/** Null where another object than the request may lack the key. `body` is base64. */
export function missingKeyMend(failure: PythonFailure, body: string): string | null {
  const wanted = failure.type === 'KeyError' ? /^['"]([^'"]+)['"]$/.exec(failure.message)?.[1] : undefined;
  const frame = failure.frames.at(-1);
  if (wanted === undefined || frame?.user !== true) return null; // os.environ and pandas raise it in frames of their own
  const keys = keysOf(body);
  if (keys === null || keys.includes(wanted) || !readsOf(frame, wanted, keys)) return null;
  const named = failure.frames.findLast(({ user, function: name }) => user && !name.startsWith('<'));
  return mendOf(`${named?.function ?? 'run'}()`, wanted, keys);
}

export function mendOf(reader: string, wanted: string, keys: readonly string[]): string {
  const sent = named(keys);
  const [only] = sent;
  const instead = sent.length === 1 ? only : sent.length > 1 ? 'one of those' : undefined;
  const other = instead === undefined ? '' : `, or let ${reader} read ${instead}`;
  const what =
    sent.length === 0 ? 'an empty object is sent' : `sent ${sent.length === 1 ? 'is' : 'are'} ${sent.join(', ')}`;
  return `${reader} reads the key ${short(wanted)}, and ${what}: send {"${short(wanted)}": …}${other}`;
}

const short = (name: string): string => (name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name);

function named(keys: readonly string[]): readonly string[] {
  const shown = keys.slice(0, MAX_NAMED).map(short);
  return keys.length > MAX_NAMED ? [...shown, `${keys.length - MAX_NAMED} more`] : shown;
}

/** Whether the line reads the key of the request: of a variable that has its keys, as far as variables are known, or of what was just parsed. */
function readsOf({ code, locals }: Frame, wanted: string, keys: readonly string[]): boolean {
  if (code === undefined) return true;
  const at = ['[', '.pop('].flatMap((open) =>
    [`'`, `"`].map((quote) => code.indexOf(`${open}${quote}${wanted}${quote}`)),
  );
  const end = Math.max(...at);
  if (end < 0) return false;
  const before = code.slice(0, end);
  const variable = /(?:^|[^\w.\])])(\w+)$/.exec(before)?.[1];
  if (variable === undefined) return /json\w*\([^()]*\)$|loads\([^()]*\)$|\.json$/.test(before);
  if (locals === undefined) return true;
  const value = locals.find(({ name }) => name === variable)?.value ?? ''; // a global is none of the request's
  const [first] = keys;
  return value.startsWith(first === undefined ? '{}' : `{'${first}': `);
}
