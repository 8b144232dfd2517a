/** Ink's key events in the words of the keymap. */
import type { Key } from 'ink';
import { letters } from '../app/rows.ts';

export interface TypedKey {
  /** As console/app/keymap.ts names it. */
  readonly name: string;
  /** The letter, where it is one. */
  readonly text: string;
}

/** Keys that were typed fast, or over a slow line, come as one event; each counts. */
export function typedKeys(input: string, key: Key): TypedKey[] {
  if (key.ctrl) return [{ name: `ctrl+${input}`, text: '' }];
  const named = NAMED.find(([flag]) => key[flag]);
  if (named !== undefined) return [{ name: named[1], text: '' }];
  const typed = letters(input).map((text) => ({ name: CHARACTERS[text] ?? text, text }));
  // Alt and a key are the same bytes as Esc and a key.
  return key.meta ? [{ name: 'escape', text: '' }, ...typed] : typed;
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
