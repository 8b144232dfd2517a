/** What a user does with what sync kept: alike for a verb that has the folder and for the console that holds it. */
import type { Endpoint } from '../../../shared/core/sync/endpoint.ts';
import type { Path } from '../../../shared/core/sync/tree.ts';
import type { Take, Undone } from '../view.ts';
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

/** Work on the host's folder, while nobody else writes its journal. */
export type FolderWork<T> = (host: Endpoint, journal: Journal, now: number) => Promise<T>;

export function folderActions(run: <T>(work: FolderWork<T>) => Promise<T>): FolderActions {
  return {
    undo: (id) =>
      run(async (host, journal, now) => {
        const action = findAction(journal.entries, id);
        return { path: action.path, result: await undo(host, journal, action, now) };
      }),
    settle: (conflict, take) => run((host, journal, now) => settle(host, journal, conflict, take, now)),
  };
}
