import { DrydockError } from '../../shared/core/errors.ts';
import type { Endpoint } from '../../shared/core/sync/endpoint.ts';
import { bytes } from '../app/format.ts';
import type { JournalEntry } from '../engine/sync/journal.ts';
import { SyncStore } from '../engine/sync/store.ts';
import { actionId, findAction, undo as takeBack } from '../engine/sync/undo.ts';
import { stateDir } from './context.ts';
import { folderOf, withFolder } from './host-folder.ts';
import type { Reporter } from './report.ts';

export interface UndoFlags {
  readonly dir?: string;
  readonly last: number;
}

/** Without an ID what can be undone, newest first; with IDs those come back. */
export async function undo(reporter: Reporter, ids: readonly string[], flags: UndoFlags): Promise<number> {
  const dir = await folderOf(flags);
  if (ids.length === 0) return list(reporter, dir, flags.last);
  const known = (await SyncStore.actions(stateDir(), dir)) ?? [];
  const actions = ids.map((id) => findAction(known, id));
  // A model that was fetched lies where sync does not look.
  const paths = actions.map(({ path }) => path);
  const takeAllBack = async (host: Endpoint, { journal }: SyncStore, now: number): Promise<number> => {
    for (const action of actions) {
      const done = await takeBack(host, journal, action, now);
      const { path } = action;
      const words = done === 'already' ? 'is as it was already' : `is back in ${dir} as it was`;
      reporter.answer({ id: actionId(action), path, result: done }, `✓ ${path} ${words}`);
    }
    return 0;
  };
  return withFolder(dir, takeAllBack, paths);
}

async function list(reporter: Reporter, dir: string, last: number): Promise<number> {
  const actions = await SyncStore.actions(stateDir(), dir);
  if (actions === null) {
    throw new DrydockError('usage', `${dir} was never synchronised.`, {
      hint: 'Name the folder: drydock undo --dir FOLDER',
    });
  }
  const newest = actions.slice(-last).toReversed();
  for (const action of newest) reporter.answer(asJson(action), sentence(action));
  if (actions.length === 0) reporter.say('Nothing was overwritten or deleted.');
  else if (actions.length > newest.length) reporter.say(`and ${actions.length - newest.length} older ones: --last N`);
  return 0;
}

function asJson(action: JournalEntry): object {
  const { at, side, path, before, after, blob } = action;
  const size = before.kind === 'file' ? { size: before.size } : {};
  const kind = after === null ? 'deleted' : 'overwritten';
  return { id: actionId(action), at, side, path, kind, ...size, kept: before.kind !== 'file' || blob !== null };
}

function sentence(action: JournalEntry): string {
  const { at, side, path, before, after } = action;
  const when = new Date(at).toLocaleString('sv'); // 2026-11-24 15:04:05
  const where = side === 'host' ? 'on this machine' : 'in the container';
  const size = before.kind === 'file' ? bytes(before.size) : 'a link';
  return `${actionId(action)}  ${when}  ${path}  ${after === null ? 'deleted' : 'overwritten'} ${where}  ${size}`;
}
