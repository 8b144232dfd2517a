import { DrydockError } from '../../shared/core/errors.ts';
import { bytes } from '../app/format.ts';
import { SyncStore } from '../engine/sync/store.ts';
import { KEPT } from '../text/journal.ts';
import { describeAction } from '../engine/sync/undo.ts';
import type { Undoable } from '../engine/view.ts';
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
  return withFolder(dir, async (actions) => {
    for (const id of ids) {
      const { path, result } = await actions.undo(id);
      const words = result === 'already' ? 'is as it was already' : `is back in ${dir} as it was`;
      reporter.answer({ id, path, result }, `✓ ${path} ${words}`);
    }
    return 0;
  });
}

async function list(reporter: Reporter, dir: string, last: number): Promise<number> {
  const actions = await SyncStore.actions(stateDir(), dir);
  if (actions === null) {
    throw new DrydockError('usage', `${dir} was never synchronised.`, {
      hint: 'Name the folder: drydock undo --dir FOLDER',
    });
  }
  const newest = actions.slice(-last).toReversed().map(describeAction);
  for (const action of newest) reporter.answer(action, sentence(action));
  if (actions.length === 0) reporter.say('Nothing was overwritten or deleted.');
  else if (actions.length > newest.length) reporter.say(`and ${actions.length - newest.length} older ones: --last N`);
  reporter.say(`What sync replaces is ${KEPT}.`);
  return 0;
}

function sentence({ id, at, side, path, kind, size }: Undoable): string {
  const when = new Date(at).toLocaleString('sv'); // 2026-11-24 15:04:05
  const where = side === 'host' ? 'on this machine' : 'in the container';
  return `${id}  ${when}  ${path}  ${kind} ${where}  ${size === null ? 'a link' : bytes(size)}`;
}
