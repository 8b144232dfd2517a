/** Settling conflicts: the host's version keeps the path, the container's lies beside it as a copy. */
import { DrydockError } from '../../../shared/core/errors.ts';
import { Changes } from '../../../shared/core/sync/changes.ts';
import { markedName, originalsOf } from '../../../shared/core/sync/copy-name.ts';
import type { Endpoint } from '../../../shared/core/sync/endpoint.ts';
import { hasOpaque, nameOf, nodeAt, walk, type DirNode, type Node, type Path } from '../../../shared/core/sync/tree.ts';
import type { Take } from '../view.ts';
import { edit } from './edit.ts';
import type { Journal } from './journal.ts';
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
  const copy = readable(root, kept);
  if (copy === null) throw new DrydockError('usage', `${kept} is not there.`, { hint: 'The conflict is over.' });
  if (take === 'container') requireOneOriginal(root, kept, copy);
  const to = take === 'container' ? path : take === 'both' ? freeName(root, path, copy) : null;
  const files = filesOf(kept, copy);
  const put = async (at: Path, before: Node | null, after: Node | null) => {
    const changes = new Changes();
    changes.add(at, before, after);
    await edit(host, journal, changes.ordered(), (digest) => host.read(files.get(digest) ?? kept, digest), now);
  };
  if (to !== null) await put(to, readable(root, to), copy);
  await put(kept, copy, null);
  return to;
}

/** Null where nothing is. Throws where something in it must be left alone. */
function readable(root: DirNode, path: Path): Node | null {
  const node = nodeAt(root, path);
  if (!hasOpaque(node)) return node;
  throw new DrydockError('usage', `${path} cannot be read, or something in it.`, {
    hint: 'Settle it by hand: when the copy is deleted the conflict is over.',
  });
}

function requireOneOriginal(root: DirNode, kept: Path, copy: Node): void {
  const name = nameOf(kept);
  const folder = nodeAt(root, kept.slice(0, -name.length - 1));
  const siblings = folder?.kind === 'dir' ? folder.children.keys() : [];
  const originals = originalsOf(name, copy, siblings);
  if (originals.length === 1) return;
  const many = originals.length === 0 ? 'nothing that is there' : `one of ${originals.length} files`;
  throw new DrydockError('usage', `${kept} is a copy of ${many}: its name was too long to say of which.`, {
    hint: 'Rename it to the name that it is to have: then the conflict is over.',
  });
}

/** Where each content is. */
function filesOf(kept: Path, copy: Node): ReadonlyMap<string, Path> {
  const all: Iterable<readonly [Path, Node]> = [[kept, copy], ...walk(copy, kept)];
  return new Map([...all].flatMap(([path, node]) => (node.kind === 'file' ? [[node.digest, path]] : [])));
}

/** `score.container.py`, `score.container-2.py`, … */
function freeName(root: DirNode, path: Path, copy: Node): Path {
  const name = nameOf(path);
  for (let n = 1; ; n++) {
    const free = markedName(name, copy, `.container${n === 1 ? '' : `-${n}`}`);
    const at = path.slice(0, -name.length) + free;
    if (nodeAt(root, at) === null) return at;
  }
}
