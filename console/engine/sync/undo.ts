/**
 * Taking back what sync overwrote or deleted, on either side. A version comes back on this machine, as an edit like any
 * other: what it replaces is journaled in its turn, and the session carries it to the container.
 */
import { createHash } from 'node:crypto';
import { DrydockError } from '../../../shared/core/errors.ts';
import { ContentMoved, type Change, type Endpoint } from '../../../shared/core/sync/endpoint.ts';
import { above, entryOf, nodeAt, sameEntry } from '../../../shared/core/sync/tree.ts';
import type { Undoable, Undone } from '../view.ts';
import { edit } from './edit.ts';
import type { Journal, JournalEntry } from './journal.ts';

/** Of one action; the same for as long as the journal holds it. */
function actionId({ at, side, path, before, after }: JournalEntry): string {
  const text = JSON.stringify([at, side, path, before, after]);
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** As it is listed. */
export function describeAction(action: JournalEntry): Undoable {
  const { at, side, path, before, after, blob } = action;
  return {
    ...{ id: actionId(action), at, side, path },
    kind: after === null ? 'deleted' : 'overwritten',
    size: before.kind === 'file' ? before.size : null,
    kept: before.kind !== 'file' || blob !== null,
  };
}

/** The action with this ID, or one that begins so. */
export function findAction(entries: readonly JournalEntry[], id: string): JournalEntry {
  const found = entries.filter((entry) => id.length >= 4 && actionId(entry).startsWith(id));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const reason = only === undefined ? `The journal has no action ${id}.` : `${found.length} actions begin with ${id}.`;
  throw new DrydockError('usage', reason, { hint: 'drydock undo lists them with their IDs.' });
}

/** Rejects with `usage` where the bytes are gone or a folder is in the way, `no-permission`, `no-space` or `io` as the disk does. */
export async function undo(
  host: Endpoint,
  journal: Journal,
  action: JournalEntry,
  now: number,
): Promise<Undone['result']> {
  const { path, before } = action;
  if (before.kind === 'file' && action.blob === null) {
    throw new DrydockError('usage', `The bytes of ${path} could not be kept when it was replaced.`, {
      hint: 'A large file of an image’s own layer is not kept: it is in the image.',
    });
  }
  const { root } = await host.scan();
  const there = nodeAt(root, path);
  const current = there === null || there.kind === 'opaque' ? null : entryOf(there);
  if (there?.kind === 'opaque' || current?.kind === 'dir') {
    throw new DrydockError(
      'usage',
      `${path} is in the way: ${current === null ? 'it cannot be read' : 'it is a folder'}.`,
      {
        hint: 'Move it, and undo again.',
      },
    );
  }
  if (sameEntry(current, before)) return 'already';
  const parents = above(path)
    .filter((folder) => nodeAt(root, folder) === null)
    .toReversed(); // outermost first
  const changes: Change[] = [
    ...parents.map((folder): Change => ({ path: folder, before: null, after: { kind: 'dir' } })),
    { path, before: current, after: before },
  ];
  const { blob } = action;
  const open = (digest: string) => {
    const content = blob === null ? null : journal.read(blob);
    if (content === null) throw new ContentMoved(digest);
    return content;
  };
  await edit(host, journal, changes, open, now);
  return 'restored';
}
