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
export const packedSchema = z.union([
  z.tuple([z.string(), z.number(), z.union([z.literal(0), z.literal(1)])]),
  z.tuple([z.string()]),
  z.literal(0),
  z.null(),
]);
export type Packed = z.infer<typeof packedSchema>;

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
