/** Settling conflicts: the host's version keeps the path, the container's lies beside it as a copy. */
import { DrydockError } from '../../../shared/core/errors.ts';
import type { Endpoint } from '../../../shared/core/sync/endpoint.ts';
import { entryOf, nodeAt, type DirNode, type Entry, type Path } from '../../../shared/core/sync/tree.ts';
import { edit } from './edit.ts';
import type { Journal } from './journal.ts';
import type { Take } from '../view.ts';
import type { Conflict } from './rows.ts';

/** `both`: the container's version gets a name of its own. Resolves with where the version that was not in its place lies now; null where it is only in the journal. */
export async function settle(
  host: Endpoint,
  journal: Journal,
  { path, kept }: Conflict,
  take: Take,
  now: number,
): Promise<Path | null> {
  const { root } = await host.scan();
  if (root === null)
    throw new DrydockError('io', `${host.info.root} is not there.`, { hint: 'Bring the folder back.' });
  const copy = fileAt(root, kept);
  const open = (digest: string) => host.read(kept, digest);
  const to = take === 'container' ? path : take === 'both' ? freeName(root, path) : null;
  if (to !== null) {
    const before = nodeAt(root, to) === null ? null : fileAt(root, to);
    await edit(host, journal, [{ path: to, before, after: copy }], open, now);
  }
  await edit(host, journal, [{ path: kept, before: copy, after: null }], open, now);
  return to;
}

function fileAt(root: DirNode, path: Path): Entry {
  const node = nodeAt(root, path);
  if (node?.kind === 'file' || node?.kind === 'link') return entryOf(node);
  const what = node === null ? 'is not there' : node.kind === 'dir' ? 'is a folder' : 'cannot be read';
  throw new DrydockError('usage', `${path} ${what}.`, {
    hint: 'Settle it by hand: when the copy is deleted the conflict is over.',
  });
}

/** `score.container.py`, `score.container-2.py`, … */
function freeName(root: DirNode, path: Path): Path {
  const slash = path.lastIndexOf('/') + 1;
  const dot = path.lastIndexOf('.');
  const [stem, extension] = dot > slash ? [path.slice(0, dot), path.slice(dot)] : [path, ''];
  for (let n = 1; ; n++) {
    const name = `${stem}.container${n === 1 ? '' : `-${n}`}${extension}`;
    if (nodeAt(root, name) === null) return name;
  }
}
