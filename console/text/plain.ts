/**
 * Text from a container as it may be shown: line ends and tabs stay, every other control character and every
 * direction override goes, so that nothing in a log can move the cursor, set a title or reorder what is read.
 */
export function plain(text: string): string {
  return text.replace(ESCAPES, '').replace(/\r\n?/g, '\n').replace(CONTROL, '');
}

/** One line of it. */
export function plainLine(text: string): string {
  return plain(text).replaceAll('\n', ' ').replaceAll('\t', '    ');
}

const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);

/** CSI, OSC/DCS/APC/PM/SOS strings (bounded: an unfinished one must not eat the rest), and two-byte escapes. */
const ESCAPES = new RegExp(
  [
    `${ESC}\\[[0-?]*[ -/]*[@-~]`,
    `${ESC}[\\]PX^_][^${BEL}${ESC}]{0,4096}(?:${BEL}|${ESC}\\\\)?`,
    `${ESC}[ -/]*[0-~]?`,
  ].join('|'),
  'g',
);
const CONTROL = /(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;
