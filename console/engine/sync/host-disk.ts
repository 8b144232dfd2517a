/** The host's folder, opened for one piece of work beside whoever synchronises it: for that one, an edit like anybody's. */
import { DrydockError } from '../../../shared/core/errors.ts';
import { ContentMoved, type Endpoint } from '../../../shared/core/sync/endpoint.ts';
import { compileIgnore } from '../../../shared/core/sync/ignore.ts';
import { above, nameOf, type Path } from '../../../shared/core/sync/tree.ts';
import { openDisk } from '../../../shared/disk/disk.ts';
import { readRules } from '../rules.ts';

/** As sync sees it. */
export async function withHost<T>(dir: string, work: (host: Endpoint) => Promise<T>): Promise<T> {
  return withDisk(dir, compileIgnore(await readRules(dir)), work);
}

/** Characters at which names begin alike at most: a copy of a long one has no more of it for certain. */
const ALIKE = 48;

/** No more of it than these paths and names that begin alike, whatever the rules ignore: an undone model is such a path. */
export function withPaths<T>(dir: string, paths: readonly Path[], work: (host: Endpoint) => Promise<T>): Promise<T> {
  return withDisk(dir, elsewhere(paths), work);
}

/** The same, as sync sees it. */
export async function withHostPaths<T>(
  dir: string,
  paths: readonly Path[],
  work: (host: Endpoint) => Promise<T>,
): Promise<T> {
  const [ruled, outside] = [compileIgnore(await readRules(dir)), elsewhere(paths)];
  return withDisk(dir, (path, isDir) => outside(path) || ruled(path, isDir), work);
}

function elsewhere(paths: readonly Path[]): (path: Path) => boolean {
  const folders = new Set(paths.flatMap(above));
  const stems = paths.map((path) => {
    const name = nameOf(path);
    return path.slice(0, path.length - name.length) + name.replace(/(?<=.)\.[^.]*$/s, '').slice(0, ALIKE);
  });
  return (path) => !folders.has(path) && !stems.some((stem) => path.startsWith(stem));
}

async function withDisk<T>(
  root: string,
  ignored: (path: Path, isDir: boolean) => boolean,
  work: (host: Endpoint) => Promise<T>,
): Promise<T> {
  const host = await openDisk({ root, ignored });
  try {
    return await work(host);
  } catch (error) {
    // The disk's word, or a file that changed under the reader.
    const told = error instanceof ContentMoved || (error instanceof Error && 'errno' in error);
    if (!told) throw error;
    const reason = error instanceof ContentMoved ? 'A file changed meanwhile.' : error.message;
    throw new DrydockError('io', reason, { hint: 'Nothing was lost: try again.', cause: error });
  } finally {
    await host.close();
  }
}
