/** Ink's key events in the words of the keymap. */
import type { Key } from 'ink';
import { letters } from '../app/rows.ts';

/** Keys that were typed fast, or over a slow line, come as one event; each counts. */
export function keyNames(input: string, key: Key): string[] {
  if (key.ctrl) return [`ctrl+${input}`];
  const named = NAMED.find(([flag]) => key[flag]);
  if (named !== undefined) return [named[1]];
  const typed = letters(input).map((character) => CHARACTERS[character] ?? character);
  // Alt and a key are the same bytes as Esc and a key.
  return key.meta ? ['escape', ...typed] : typed;
}

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'delete'],
] as const satisfies readonly (readonly [keyof Key, string])[];

const CHARACTERS: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\u0003': 'ctrl+c',
};
