/** How a conflict copy is called: `NAME.conflict-container-DIGEST8.EXT`. */
import { sortedChildren, type Node } from './tree.ts';

/** ext4, xfs, overlayfs and APFS allow 255 (APFS counts characters, which are never more). */
const NAME_BYTES = 255;
const MARK = '.conflict-container-';
const PATTERN = /^(.+)(\.conflict-container-[0-9a-f]{8,64})(\.[^.]*)?$/s;
/** What follows the last dot is no extension where it is longer. Characters. */
const LONGEST_EXTENSION = 32;

/** Names to try in order: the digest grows while the name is taken by something else. */
export function* copyNames(name: string, copy: Node): Generator<string> {
  const digest = copy.kind === 'file' ? copy.digest : fingerprint(describe(copy));
  for (let length = 8; length <= digest.length; length *= 2) {
    yield markedName(name, copy, `${MARK}${digest.slice(0, length)}`);
  }
}

/** With `mark` before the extension; the end of a long stem gives way to it. */
export function markedName(name: string, { kind }: Node, mark: string): string {
  // A folder's dot is no extension, and neither is a leading one.
  const dot = kind === 'dir' ? -1 : name.lastIndexOf('.');
  const hasExtension = dot > 0 && name.length - dot <= LONGEST_EXTENSION;
  const [stem, extension] = hasExtension ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const tail = `${mark}${extension}`;
  return cut(stem, NAME_BYTES - utf8Length(tail)) + tail;
}

/** The name that a copy was made of, as far as it was not cut, or null when `name` is no copy's. */
export function originalName(name: string): string | null {
  const match = PATTERN.exec(name);
  return match?.[1] === undefined ? null : match[1] + (match[3] ?? '');
}

/** The names that a copy may have been made of: one, but for a name that may have been cut, which only its `siblings` tell. */
export function originalsOf(name: string, copy: Node, siblings: Iterable<string>): readonly string[] {
  const match = PATTERN.exec(name);
  const [original, mark] = [originalName(name), match?.[2]];
  if (original === null || mark === undefined) return [];
  // What did not fit was a character, of four bytes at most.
  if (utf8Length(name) <= NAME_BYTES - 4) return [original];
  return [...siblings].filter((each) => !PATTERN.test(each) && markedName(each, copy, mark) === name);
}

function describe(node: Node): string {
  switch (node.kind) {
    case 'file':
      return `${node.digest}${node.exec ? '+' : '-'}`;
    case 'link':
      return `>${node.target}`;
    case 'opaque':
      return '?';
    case 'dir':
      return JSON.stringify(sortedChildren(node).map(([name, child]) => [name, describe(child)]));
  }
}

/** 256 bits of eight differently seeded FNV-1a: enough to tell names apart, which is all that it is for. */
function fingerprint(text: string): string {
  let hex = '';
  for (let lane = 0; lane < 8; lane++) {
    let hash = (0x811c9dc5 ^ Math.imul(lane + 1, 0x9e3779b1)) >>> 0;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
    hex += ((hash ^ (hash >>> 13)) >>> 0).toString(16).padStart(8, '0');
  }
  return hex;
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) bytes += utf8Size(character);
  return bytes;
}

function utf8Size(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** `text` up to `bytes` of UTF-8, no character halved. */
function cut(text: string, bytes: number): string {
  let kept = '';
  let size = 0;
  for (const character of text) {
    size += utf8Size(character);
    if (size > bytes) break;
    kept += character;
  }
  return kept;
}
