/** How a conflict copy is called: `NAME.conflict-container-DIGEST8.EXT`. */
import { sortedChildren, type Node } from './tree.ts';

/** ext4, xfs, overlayfs and APFS allow 255 (APFS counts characters, which are never more). */
const NAME_BYTES = 255;
const MARK = '.conflict-container-';
const PATTERN = /^(.+)\.conflict-container-[0-9a-f]{8,64}(\.[^.]*)?$/s;

/** Names to try in order: the digest grows while the name is taken by something else. */
export function* copyNames(name: string, copy: Node): Generator<string> {
  // A folder's dot is no extension, and neither is a leading one.
  const dot = copy.kind === 'dir' ? -1 : name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const digest = copy.kind === 'file' ? copy.digest : fingerprint(describe(copy));
  for (let length = 8; length <= digest.length; length *= 2) {
    const tail = `${MARK}${digest.slice(0, length)}${extension}`;
    yield cut(stem, NAME_BYTES - utf8Length(tail)) + tail;
  }
}

/** The name that a copy was made of, or null when `name` is no copy's. A cut stem stays cut. */
export function originalName(name: string): string | null {
  const match = PATTERN.exec(name);
  return match?.[1] === undefined ? null : match[1] + (match[2] ?? '');
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
