/** Texts without the values of names that speak of secrets; as agent/hook/python/drydock_hook/variables.py has them. */

const SECRET =
  'passw|secret|token|api_?key|access_?key|account_?key|credential|connection_?string|authorization|cookie|(^|_)(sas|pwd|key)$';
export const HIDDEN = '•••';

const escaped = (words: readonly string[]): string[] =>
  words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));

/** Which names are not to be shown with their values. `words`: further ones, literally. */
export function secretNames(words: readonly string[] = []): RegExp {
  return new RegExp([SECRET, ...escaped(words)].join('|'), 'i');
}

/** JSON, also where it lies in a string of JSON. Text that is none comes back as it is. */
export function redacted(text: string, words: readonly string[] = []): string {
  return hideKeys(text, secretNames(words)) ?? text;
}

/** Null where it is no JSON, or has nothing to hide. */
function hideKeys(text: string, secret: RegExp): string | null {
  const hidden: string[] = [];
  try {
    const value: unknown = JSON.parse(text, (key, held: unknown) => {
      const inner =
        key !== '' && secret.test(key)
          ? HIDDEN
          : typeof held === 'string' && /^\s*[[{]/.test(held)
            ? hideKeys(held, secret)
            : null;
      if (inner !== null) hidden.push(key);
      return inner ?? held;
    });
    return hidden.length > 0 ? JSON.stringify(value) : null;
  } catch {
    return null;
  }
}

/** A value of Python as it is shown, in which names may stand. */
export function redactedValue(name: string, value: string, words: readonly string[]): string {
  if (secretNames(words).test(name)) return HIDDEN;
  if (words.length === 0) return value; // the container has hidden the rest
  const inside = new RegExp(
    `((?:${escaped(words).join('|')})\\w*["']?\\s*[:=]\\s*)(?!•)(["'](?:[^"'\\\\]|\\\\.)*["']?|[^\\s;,&"'})]+)`,
    'gi',
  );
  return value.replaceAll(inside, (_, before: string) => before + HIDDEN);
}
