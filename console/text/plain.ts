/**
 * Text from a container as it may be shown: line ends and tabs stay, every other control character and every
 * direction override goes, so that nothing in a log can move the cursor, set a title or reorder what is read.
 */
export function plain(text: string): string {
  return text.replace(ANSI, '').replace(/\r\n?/g, '\n').replace(CONTROL, '');
}

/** One line of it. */
export function plainLine(text: string): string {
  return plain(text).replaceAll('\n', ' ').replaceAll('\t', '    ');
}

/* eslint-disable no-control-regex -- control characters are what this file is about */
/** CSI, OSC/DCS/APC/PM/SOS strings (bounded: an unfinished one must not eat the rest), and two-byte escapes. */
const ANSI = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?|\x1b[@-_a-z0-9=>]?/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
