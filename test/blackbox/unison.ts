/** Unison between two folders of this machine, watching or looking again every second. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { addBallast } from './folders.ts';
import type { Arena } from './run.ts';

/** Passes after which what is left differing stays so. */
const PASSES = 10;

export async function openUnison(): Promise<Arena> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-unison-'));
  const folders = { host: join(base, 'host'), container: join(base, 'container') };
  for (const folder of Object.values(folders)) mkdirSync(folder);
  addBallast(folders.host);
  const kept = join(base, 'kept');
  // No `-prefer`: what both sides changed is left as it is on each. What is overwritten is kept.
  const words = [
    ...[folders.host, folders.container, '-batch', '-auto', '-silent', '-ui', 'text'],
    ...['-backup', 'Name *', '-backuploc', 'central', '-backupdir', kept, '-maxbackups', '100000'],
  ];
  const options = { env: { UNISON: join(base, 'state') }, reject: false };
  const once = () => execa('unison', words, options);
  await once();
  const watches = await execa('which', ['unison-fsmonitor'], { reject: false });
  const stopped = new AbortController();
  const running = (async () => {
    // It ends at an error of its own and is started again, as its users do.
    while (!stopped.signal.aborted) {
      const repeat = watches.exitCode === 0 ? 'watch' : '1';
      await execa('unison', [...words, '-repeat', repeat], { ...options, cancelSignal: stopped.signal });
    }
  })();
  const stop = async () => {
    stopped.abort();
    await running;
  };
  return {
    folders,
    get kept() {
      return existsSync(kept) ? [kept] : [];
    },
    ignored: (path) => path.includes('.unison.'),
    settle: async () => {
      await stop();
      // 0: both are equal; 1: conflicts are left; more: something could not be done.
      for (let pass = 0; pass < PASSES; pass++) {
        const { exitCode = 3 } = await once();
        if (exitCode <= 1 && pass > 0) return;
      }
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(base, { recursive: true });
    },
  };
}
