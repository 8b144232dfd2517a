/**
 * Python takes `__pycache__/NAME.*.pyc` for fresh when the source's mtime in whole seconds and its size are the ones
 * written in it: two saves of equal size within a second, and the old code is served for good. So bytecode that may be
 * older than its source goes before each boot.
 */
import { lstat, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What changes with every write or replacement of a file. */
type Mark = string;
export type SourceMarks = ReadonlyMap<string, Mark>;

/** Folders without sources of the user's. */
export const SKIPPED = new Set(['.git', 'node_modules', '__pycache__', 'site-packages', 'dist-packages', '.venv']);
/** A tree with more folders than this is no project; what lies deeper is left to Python's own check. */
const MAX_FOLDERS = 20_000;

async function markOf(path: string): Promise<{ mark: Mark; ctimeNs: bigint } | null> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true }); // the target of a link
    return { mark: [ino, size, mtimeNs, ctimeNs].join(' '), ctimeNs };
  } catch {
    return null;
  }
}

/**
 * Walks `root` and removes the bytecode of each source that changed since `before`, or that was written after its
 * bytecode was made. Returns the sources' marks, and the bytecode that could not be removed.
 */
export async function dropStale(
  root: string,
  before: SourceMarks,
  pycachePrefix?: string,
): Promise<{ marks: SourceMarks; kept: readonly string[] }> {
  const marks = new Map<string, Mark>();
  const kept: string[] = [];
  const folders = [root];
  for (let i = 0; i < Math.min(folders.length, MAX_FOLDERS); i++) {
    const folder = folders[i] ?? root;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    folders.push(...entries.filter((e) => e.isDirectory() && !SKIPPED.has(e.name)).map((e) => join(folder, e.name)));
    const sources = entries.filter((e) => e.name.endsWith('.py') && (e.isFile() || e.isSymbolicLink()));
    if (sources.length === 0) continue;
    const cache = pycachePrefix === undefined ? join(folder, '__pycache__') : join(pycachePrefix, folder);
    const compiled = await readdir(cache).catch(() => []);
    for (const { name } of sources) {
      const path = join(folder, name);
      const source = await markOf(path);
      if (source === null) continue;
      const known = before.get(path);
      const changed = known !== undefined && known !== source.mark;
      marks.set(path, source.mark);
      const stem = `${name.slice(0, -'.py'.length)}.`;
      for (const file of compiled.filter((file) => file.startsWith(stem) && file.endsWith('.pyc'))) {
        const bytecode = join(cache, file);
        const made = (await lstat(bytecode, { bigint: true }).catch(() => null))?.mtimeNs;
        if (made === undefined || (!changed && source.ctimeNs < made)) continue;
        await unlink(bytecode).catch(() => kept.push(bytecode));
      }
    }
  }
  return { marks, kept };
}

/** The first of `paths` that is no longer what `marks` says; null when all are. */
export async function movedSince(marks: SourceMarks, paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const known = marks.get(path);
    if (known !== undefined && known !== (await markOf(path))?.mark) return path;
  }
  return null;
}

/** Whether a change of this path can change what Python imports. */
export function isSource(path: string): boolean {
  return path.endsWith('.py') && !dirname(path).split('/').includes('__pycache__');
}
