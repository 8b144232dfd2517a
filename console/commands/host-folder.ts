/** The host's folder alone, for verbs that need no container: its tree, its journal, and nobody else at it. */
import { resolve } from 'node:path';
import { compileIgnore } from '../../shared/core/sync/ignore.ts';
import { above, type Path } from '../../shared/core/sync/tree.ts';
import type { Endpoint } from '../../shared/core/sync/endpoint.ts';
import { openDisk } from '../../shared/disk/disk.ts';
import { readRules } from '../engine/rules.ts';
import { SyncStore } from '../engine/sync/store.ts';
import { stateDir, userDir } from './context.ts';
import { readSettings } from './settings.ts';

/** `--dir`, what drydock.yaml says, or where the user stands. */
export async function folderOf({ dir }: { readonly dir?: string }): Promise<string> {
  return resolve(userDir(), dir ?? (await readSettings([userDir()])).dir ?? '.');
}

/** `also`: paths that count whatever the ignore rules say. */
export async function openHost(dir: string, also: readonly Path[] = []): Promise<Endpoint> {
  const ignored = compileIgnore(await readRules(dir));
  const wanted = new Set(also.flatMap((path) => [path, ...above(path)]));
  return openDisk({ root: dir, ignored: (path, isDir) => !wanted.has(path) && ignored(path, isDir) });
}

/** Rejects with `taken` while a console synchronises the folder. */
export async function withFolder<T>(
  dir: string,
  work: (host: Endpoint, store: SyncStore, now: number) => Promise<T>,
  also: readonly Path[] = [],
): Promise<T> {
  const now = Date.now();
  const store = await SyncStore.open(stateDir(), dir, now);
  try {
    const host = await openHost(dir, also);
    try {
      return await work(host, store, now);
    } finally {
      await host.close();
    }
  } finally {
    await store.close();
  }
}
