/**
 * The way back without the hook: the sources of code that served, and the service started from them while the disk keeps
 * the edit. For the length of that start a script stands before runit's `run`, as one stands in the place of `finish`.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFiles, readSources, type Sources } from '../hook/first-copy.ts';

const ORIGINAL = 'run.drydock-original';
/** Names the copy to agent/hook/python/drydock_hook/past.py. */
export const COPY_VARIABLE = 'DRYDOCK_COPY';

export class LastGood {
  readonly #hookDir: string;
  #files: Sources | null = null;
  /** Where the copy lies from which the service was started. */
  #copy: string | null = null;

  constructor(hookDir: string) {
    this.#hookDir = hookDir;
  }

  get isKnown(): boolean {
    return this.#files !== null;
  }

  /** Nothing is known yet: the nearest to what serves is what lies on disk. */
  async begin(root: string): Promise<void> {
    this.#files ??= await readSources(root);
  }

  /** Code that serves now; what it has read. */
  async keep(paths: readonly string[]): Promise<void> {
    this.#files = await readFiles(paths);
    await this.forgetCopy();
  }

  /** Starts the service by `start` from what was kept. Rejects where `run` can't be replaced. */
  async serve(folder: string, { root, entry }: { root: string; entry: string | null }, start: () => Promise<void>) {
    await this.forgetCopy();
    this.#copy = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `drydock-good-${randomBytes(6).toString('hex')}`);
    await writeFile(this.#copy, JSON.stringify({ root, entry, files: this.#files }), { flag: 'wx', mode: 0o644 });
    const run = join(folder, 'run');
    const fresh = join(folder, `.run.drydock-${randomBytes(6).toString('hex')}`);
    const path = `${this.#hookDir}\${PYTHONPATH:+:$PYTHONPATH}`;
    await writeFile(
      fresh,
      `#!/bin/sh\nexport PYTHONPATH=${path} ${COPY_VARIABLE}=${this.#copy}\nexec ./${ORIGINAL}\n`,
      {
        flag: 'wx',
      },
    );
    try {
      await chmod(fresh, 0o755);
      // RACE: between the two renames there is no `run`; runsv tries again after a second.
      await rename(run, join(folder, ORIGINAL));
      await rename(fresh, run);
      await start();
    } finally {
      await unlink(fresh).catch(() => undefined);
      await restoreRun(folder);
    }
  }

  /** What was started from it has been told to end, or is left as it is. */
  async forgetCopy(): Promise<void> {
    if (this.#copy !== null) await rm(this.#copy, { force: true });
    this.#copy = null;
  }
}

/** Also after an agent that was killed meanwhile. */
export async function restoreRun(folder: string): Promise<void> {
  await rename(join(folder, ORIGINAL), join(folder, 'run')).catch(() => undefined); // it is as it was
}
