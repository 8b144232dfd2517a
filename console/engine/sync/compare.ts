/** The two versions of a conflict, side by side. */
import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { structuredPatch } from 'diff';
import type { Endpoint } from '../../../shared/core/sync/endpoint.ts';
import { nodeAt, type DirNode, type Path } from '../../../shared/core/sync/tree.ts';
import type { Comparison, DiffLine } from '../view.ts';
import type { Conflict } from './rows.ts';

/** Longer texts are told by their sizes alone. Bytes. */
const READABLE = 512 * 1024;
/** Two texts that have too little in common are not compared for longer than this. Milliseconds. */
const PATIENCE = 1_000;

/** Reads what is on the host's disk now. */
export async function compare(host: Endpoint, { path, kept }: Conflict): Promise<Comparison> {
  const { root } = await host.scan();
  const sizes = { path, kept, host: sizeAt(root, path), container: sizeAt(root, kept) };
  const [ours, theirs] = [await textAt(host, root, path), await textAt(host, root, kept)];
  if (ours === null || theirs === null) return { ...sizes, lines: null };
  return { ...sizes, lines: diffOf(ours, theirs) };
}

/** Null when they are too different to be told line by line. */
export function diffOf(ours: string, theirs: string): readonly DiffLine[] | null {
  const patch = structuredPatch('', '', ours, theirs, '', '', { context: 3, timeout: PATIENCE });
  return (
    patch?.hunks.flatMap(({ oldStart, newStart, lines }) => {
      let [host, container] = [oldStart, newStart];
      return lines.flatMap((line): DiffLine[] => {
        const text = line.slice(1);
        switch (line[0]) {
          case '-':
            return [{ of: 'host', line: host++, text }];
          case '+':
            return [{ of: 'container', line: container++, text }];
          case ' ':
            container++;
            return [{ of: 'both', line: host++, text }];
          default:
            return []; // that there is no newline at the end
        }
      });
    }) ?? null
  );
}

/** Bytes; null where neither a file nor a folder is. */
export function sizeAt(root: DirNode | null, path: Path): number | 'folder' | null {
  const node = nodeAt(root, path);
  if (node?.kind === 'dir') return 'folder';
  return node?.kind === 'file' ? node.size : null;
}

/** Null where there is no text, or a long one. */
async function textAt(host: Endpoint, root: DirNode | null, path: Path): Promise<string | null> {
  const node = nodeAt(root, path);
  if (node?.kind !== 'file' || node.size > READABLE) return null;
  const bytes = await buffer(host.read(path, node.digest));
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString() : null;
}
