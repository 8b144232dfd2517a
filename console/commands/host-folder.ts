/** The host's folder alone, for verbs that need no container: its tree, its journal, and nobody else at it. */
import { resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { folderActions, type FolderActions } from '../engine/sync/actions.ts';
import { askHolder } from '../engine/sync/holder.ts';
import { SyncStore } from '../engine/sync/store.ts';
import { stateDir, userDir } from './context.ts';
import { readSettings } from './settings.ts';

/** `--dir`, what drydock.yaml says, or where the user stands. */
export async function folderOf({ dir }: { readonly dir?: string }): Promise<string> {
  return resolve(userDir(), dir ?? (await readSettings([userDir()])).dir ?? '.');
}

/** The folder's actions, by the console that synchronises it where one does. */
export async function withFolder<T>(dir: string, work: (actions: FolderActions) => Promise<T>): Promise<T> {
  let store: SyncStore;
  try {
    store = await SyncStore.open(stateDir(), dir, Date.now());
  } catch (error) {
    const taken = error instanceof DrydockError && error.code === 'taken';
    const holder = taken ? await askHolder(await SyncStore.socket(stateDir(), dir)) : null;
    if (holder === null) throw error;
    return work(holder);
  }
  try {
    return await work(folderActions(dir, store.journal));
  } finally {
    await store.close();
  }
}
