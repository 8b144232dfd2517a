/** What a user does with what sync kept: alike for a verb that has the folder and for the console that holds it. */
import type { Path } from '../../../shared/core/sync/tree.ts';
import type { Take, Undone } from '../view.ts';
import { systemClock } from './clock.ts';
import { withHostPaths, withPaths } from './host-disk.ts';
import type { Journal } from './journal.ts';
import type { Conflict } from './rows.ts';
import { settle } from './settle.ts';
import { findAction, undo } from './undo.ts';

export interface FolderActions {
  /** By the action's ID, or its beginning. Rejects as `findAction` and `undo` do. */
  undo(id: string): Promise<Undone>;
  /** Resolves with where the version that was not in its place lies now; null where it is only in the journal. */
  settle(conflict: Conflict, take: Take): Promise<Path | null>;
}

/** `journal`: the folder's, which nobody else writes meanwhile. */
export function folderActions(dir: string, journal: Journal): FolderActions {
  return {
    undo: async (id) => {
      const action = findAction(journal.entries, id);
      const { path } = action;
      const result = await withPaths(dir, [path], (host) => undo(host, journal, action, systemClock.now()));
      return { path, result };
    },
    settle: (conflict, take) =>
      withHostPaths(dir, [conflict.path, conflict.kept], (host) =>
        settle(host, journal, conflict, take, systemClock.now()),
      ),
  };
}
