/** Two real folders on this machine with the real session, log and journal between them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../console/engine/sync/clock.ts';
import { createSyncSession } from '../../console/engine/sync/driver.ts';
import { SyncStore } from '../../console/engine/sync/store.ts';
import { compileIgnore } from '../../shared/core/sync/ignore.ts';
import { openDisk } from '../../shared/disk/disk.ts';
import { identity } from '../support/sync-pair.ts';
import type { Arena } from './run.ts';

export async function openFolders(): Promise<Arena> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-blackbox-'));
  const folders = { host: join(base, 'host'), container: join(base, 'container') };
  for (const folder of Object.values(folders)) mkdirSync(folder);
  addBallast(folders.host);
  const ignored = compileIgnore([]);
  const log = (text: string) => {
    if (!text.includes('was kept as')) process.stderr.write(`${text}\n`);
  };
  const [host, container] = [
    await openDisk({ root: folders.host, ignored, log }),
    await openDisk({ root: folders.container, ignored, log }),
  ];
  const stateDir = join(base, 'state');
  const session = createSyncSession({
    host,
    container: { endpoint: container, identity: identity() },
    store: await SyncStore.open(stateDir, folders.host, systemClock.now()),
    policy: 'refuse',
    clock: systemClock,
    onEvent: () => undefined,
  });
  await session.start();
  await session.quiet();
  return {
    folders,
    kept: [stateDir],
    settle: async () => {
      await session.settleOnce();
      // Late writes that nobody has looked for yet.
      await Promise.all([host.tidy(), container.tidy()]);
      await session.settleOnce();
    },
    [Symbol.asyncDispose]: async () => {
      await session.close();
      await Promise.all([host.close(), container.close()]);
      rmSync(base, { recursive: true });
    },
  };
}

/** Files that nobody touches, so that no brake takes what is done to the others for an accident. */
export function addBallast(folder: string): void {
  mkdirSync(join(folder, 'ballast'), { recursive: true });
  for (let n = 0; n < 150; n++) writeFileSync(join(folder, 'ballast', `${n}`), `nobody touches ${n}`);
}
