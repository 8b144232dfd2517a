/** Whose history sync goes on with, and what proves that it does. */
import type { Facts, Mount, Target } from '../place/place.ts';
import { revivedOf } from './revived-labels.ts';
import { TREE_LABEL } from './snapshot-labels.ts';
import { isSpare, isWithin } from './snapshot-mounts.ts';
import type { ContainerIdentity } from './sync/store.ts';

export function identityOf(
  target: Pick<Target, 'id' | 'changes'>,
  { name, mounts, labels }: Pick<Facts, 'name' | 'mounts' | 'labels'>,
  root: string,
): ContainerIdentity {
  const mount = mountOf(mounts, root);
  const revived = revivedOf(labels);
  const common = { ...target.id, name, root, ...(revived === null ? {} : { revived }) };
  // What the image holds there, and what the engine finds changed since, lies hidden under the mount.
  if (mount?.type === 'tmpfs') return { ...common, mount: null, inMemory: true };
  if (mount !== null) return { ...common, mount: mount.source };
  const provenTree = labels[TREE_LABEL] || undefined; // emptied where nothing was synchronised
  return {
    ...common,
    mount: null,
    ...(provenTree === undefined ? {} : { provenTree }),
    pristine: async () => {
      const changes = await target.changes();
      const isOfApp = (path: string) => path !== root && isWithin(path, root) && !isSpare(path);
      // A folder counts as modified when something in it is, __pycache__ included, which says nothing about the sources.
      const isFolder = (path: string) => changes.some((other) => other.path.startsWith(`${path}/`));
      return !changes.some(({ path, kind }) => isOfApp(path) && !(kind === 'modified' && isFolder(path)));
    },
  };
}

/** The innermost that the folder is or lies in; null in the container's own layer. */
function mountOf(mounts: readonly Mount[], folder: string): Mount | null {
  const holding = mounts.filter(({ destination }) => isWithin(folder, destination));
  return holding.toSorted((a, b) => b.destination.length - a.destination.length)[0] ?? null;
}
