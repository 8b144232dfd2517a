/** Lines of the sync logs: a checksum and JSON each, so that a torn end is told from a whole line. */
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { Entry } from '../../../shared/core/sync/tree.ts';

export function sealLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

export interface Lines {
  readonly values: readonly unknown[];
  /** Bytes up to the end of the last whole line before the first broken one. */
  readonly good: number;
  /** Of whole lines after a broken one: where there are any, this is no torn end. */
  readonly beyond: readonly unknown[];
}

export function readLines(data: Buffer): Lines {
  const values: unknown[] = [];
  const beyond: unknown[] = [];
  let good = 0;
  let broken = false;
  for (let start = 0; start < data.length;) {
    const end = data.indexOf(0x0a, start);
    if (end === -1) break;
    const value = openLine(data.toString('utf8', start, end));
    start = end + 1;
    if (value === undefined) {
      broken = true;
    } else if (broken) {
      beyond.push(value);
    } else {
      values.push(value);
      good = start;
    }
  }
  return { values, good, beyond };
}

function openLine(line: string): unknown {
  const json = line.slice(9);
  if (line[8] !== ' ' || crc32(json).toString(16).padStart(8, '0') !== line.slice(0, 8)) return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

/** An entry in a line: `[digest, size, exec]`, `[target]`, 0 for a folder, null for nothing. */
export type Packed = [string, number, 0 | 1] | [string] | 0 | null;
export const packedSchema = z.custom<Packed>(isPacked);

/** As many as a tree has: by hand, since a schema's walk through them takes as long as all the rest of a start. */
export const packedTreeSchema = z.custom<[string, Packed][]>(
  (value) => Array.isArray(value) && value.every((pair) => hasLength(pair, 2) && isText(pair[0]) && isPacked(pair[1])),
);

/** The same with a word about each, between the two. */
export const notedTreeSchema = z.custom<[string, string, Packed][]>(
  (value) =>
    Array.isArray(value) &&
    value.every((all) => hasLength(all, 3) && isText(all[0]) && isText(all[1]) && isPacked(all[2])),
);

function isPacked(value: unknown): boolean {
  if (value === null || value === 0) return true;
  if (hasLength(value, 1)) return isText(value[0]);
  return hasLength(value, 3) && isText(value[0]) && typeof value[1] === 'number' && (value[2] === 0 || value[2] === 1);
}

const isText = (value: unknown): boolean => typeof value === 'string';

function hasLength(value: unknown, length: number): value is unknown[] {
  return Array.isArray(value) && value.length === length;
}

export function pack(entry: Entry | null): Packed {
  if (entry === null) return null;
  if (entry.kind === 'dir') return 0;
  return entry.kind === 'link' ? [entry.target] : [entry.digest, entry.size, entry.exec ? 1 : 0];
}

export function unpack(packed: Packed): Entry | null {
  if (packed === null) return null;
  if (packed === 0) return { kind: 'dir' };
  if (packed.length === 1) return { kind: 'link', target: packed[0] };
  return { kind: 'file', digest: packed[0], size: packed[1], exec: packed[2] === 1 };
}
