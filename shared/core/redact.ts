/** JSON without the values of keys that speak of secrets; as agent/hook/python/drydock_hook/variables.py has them. */

const SECRET =
  'passw|secret|token|api_?key|access_?key|account_?key|credential|connection_?string|authorization|cookie|(^|_)(sas|pwd|key)$';
const HIDDEN = '•••';

/** Text that is no JSON comes back as it is. `words`: further ones. */
export function redacted(text: string, words: readonly string[] = []): string {
  const secret = new RegExp(
    [SECRET, ...words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))].join('|'),
    'i',
  );
  const hidden: string[] = [];
  try {
    const value: unknown = JSON.parse(text, (key, held: unknown) => {
      if (key === '' || !secret.test(key)) return held;
      hidden.push(key);
      return HIDDEN;
    });
    return hidden.length > 0 ? JSON.stringify(value) : text;
  } catch {
    return text;
  }
}
