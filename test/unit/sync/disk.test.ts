/** The session between two real folders. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../console/engine/sync/clock.ts';
import { createSyncSession, type SyncSession } from '../../../console/engine/sync/driver.ts';
import { SyncStore } from '../../../console/engine/sync/store.ts';
import type { EngineEvent } from '../../../console/engine/view.ts';
import { compileIgnore } from '../../../shared/core/sync/ignore.ts';
import { openDisk } from '../../../shared/disk/disk.ts';
import { testFolder, type TestFolder } from '../../support/folder.ts';
import { identity } from '../../support/sync-pair.ts';
import { sha256 } from '../../support/trees.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Running {
  readonly session: SyncSession;
  readonly host: TestFolder;
  readonly container: TestFolder;
  readonly events: EngineEvent[];
  readonly synced: (path: string, to: 'host' | 'container') => Promise<void>;
}

async function start(files: Readonly<Record<string, string>>): Promise<Running> {
  const [host, container] = [await testFolder(), await testFolder()];
  const stateDir = await mkdtemp(join(tmpdir(), 'drydock-state-'));
  cleanups.push(
    () => host.remove(),
    () => container.remove(),
    () => rm(stateDir, { recursive: true, force: true }),
  );
  for (const [path, text] of Object.entries(files)) {
    if (path.includes('/')) await host.outside.mkdir(path.slice(0, path.lastIndexOf('/')));
    await host.outside.write(path, Buffer.from(text));
  }
  const ignored = compileIgnore([]);
  const ends = [
    await openDisk({ root: host.root, ignored }),
    await openDisk({ root: container.root, ignored }),
  ] as const;
  cleanups.push(...ends.map((end) => () => end.close()));
  const events: EngineEvent[] = [];
  let wake: (() => void)[] = [];
  const session = createSyncSession({
    host: ends[0],
    container: { endpoint: ends[1], identity: identity() },
    store: await SyncStore.open(stateDir, host.root, systemClock.now()),
    policy: 'refuse',
    clock: systemClock,
    onEvent: (event) => {
      events.push(event);
      for (const resolve of wake.splice(0)) resolve();
    },
  });
  cleanups.push(() => session.close());
  await session.start();
  await session.quiet();
  events.length = 0;
  const synced = async (path: string, to: 'host' | 'container') => {
    while (!events.some((each) => each.event === 'synced' && each.path === path && each.to === to)) {
      await new Promise<void>((resolve) => wake.push(resolve));
    }
    wake = [];
  };
  return { session, host, container, events, synced };
}

const text = async (folder: TestFolder, path: string) => {
  const data = await folder.outside.read(path);
  return data === null ? null : Buffer.from(data).toString();
};

test('the first round fills the empty folder, edits travel both ways, nothing of ours stays', async () => {
  const { session, host, container, synced } = await start({
    'score.py': 'v1',
    'lib/clean.py': 'v1',
    '.env': 'secret',
  });
  expect(await container.outside.list()).toEqual(['lib', 'lib/clean.py', 'score.py']);
  await host.outside.writeOver('score.py', Buffer.from('v2'));
  await synced('score.py', 'container');
  expect(await text(container, 'score.py')).toBe('v2');
  await container.outside.write('lib/clean.py', Buffer.from('v2'));
  await synced('lib/clean.py', 'host');
  await container.outside.mkdir('new');
  await container.outside.write('new/large', Buffer.alloc(300_000, 'x'));
  await synced('new/large', 'host');
  await host.outside.remove('lib');
  await synced('lib', 'container');
  await session.settleOnce();
  expect(await container.outside.list()).toEqual(['new', 'new/large', 'score.py']);
  expect((await host.outside.list()).filter((path) => !path.endsWith('.ign'))).toEqual([
    '.env',
    'new',
    'new/large',
    'score.py',
  ]);
});

test('an edit on both sides at once keeps both', async () => {
  const { session, host, container } = await start({ 'score.py': 'v1' });
  await Promise.all([
    writeFile(join(host.root, 'score.py'), 'ours'),
    writeFile(join(container.root, 'score.py'), 'theirs, longer'),
  ]);
  await session.settleOnce();
  const kept = `score.conflict-container-${sha256('theirs, longer').slice(0, 8)}.py`;
  for (const folder of [host, container]) {
    expect(await text(folder, 'score.py')).toBe('ours');
    expect(await text(folder, kept)).toBe('theirs, longer');
  }
});

test('hundreds of files at once, and a folder that moves', async () => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`d/f${n}`, `content ${n}`]));
  const { session, host, container, synced } = await start(files);
  await host.outside.rename('d', 'moved');
  await synced('moved/f299', 'container');
  await session.settleOnce();
  expect(await container.outside.list()).toEqual(await host.outside.list());
  expect(await text(container, 'moved/f7')).toBe('content 7');
});
