/** The session between two real folders, with a real log and journal. */
import { hash } from 'node:crypto';
import { lstatSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../console/engine/sync/clock.ts';
import { createSyncSession, type SyncSession } from '../../console/engine/sync/driver.ts';
import { SyncStore } from '../../console/engine/sync/store.ts';
import type { EngineEvent } from '../../console/engine/view.ts';
import type { Endpoint } from '../../shared/core/sync/endpoint.ts';
import { compileIgnore } from '../../shared/core/sync/ignore.ts';
import { openDisk } from '../../shared/disk/disk.ts';
import { testFolder, type Folder, type TestFolder } from './folder.ts';
import { identity } from './sync-pair.ts';

export interface DiskPair {
  readonly session: SyncSession;
  readonly store: SyncStore;
  readonly host: TestFolder;
  readonly container: Folder;
  readonly events: EngineEvent[];
  /** The next `synced` of a path, or one that was told already. */
  readonly synced: (path: string, to: 'host' | 'container') => Promise<void>;
  /** The next event, whatever it is. */
  readonly next: () => Promise<void>;
  /** Both folders hold the same. */
  readonly equal: () => Promise<void>;
}

export interface DiskPairOptions {
  /** Of the host. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** The container's folder and its endpoint, where it is not a folder of this process. */
  readonly container?: Folder & { readonly endpoint: Endpoint };
  /** Nothing but hints finds a change: a look at everything is made once, in the beginning. */
  readonly hintsOnly?: boolean;
}

/** Both sides equal, nothing told yet. */
export async function diskPair({ files = {}, hintsOnly = false, ...options }: DiskPairOptions = {}): Promise<DiskPair> {
  const host = await folder();
  for (const [path, content] of Object.entries(files)) {
    if (path.includes('/')) await host.outside.mkdir(path.slice(0, path.lastIndexOf('/')));
    await host.outside.write(path, Buffer.from(content));
  }
  const stateDir = await mkdtemp(join(tmpdir(), 'drydock-state-'));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  const open = async ({ root }: Folder): Promise<Endpoint> => {
    const end = await openDisk({ root, ignored: RULES, ...(hintsOnly ? { pause: NEVER } : {}) });
    onTestFinished(() => end.close());
    return hintsOnly ? deafToLoss(end) : end;
  };
  const container = options.container ?? (await folder());
  const endpoint = options.container?.endpoint ?? (await open(container));
  const events: EngineEvent[] = [];
  const wake: (() => void)[] = [];
  const next = () => new Promise<void>((resolve) => wake.push(resolve));
  const store = await SyncStore.open(stateDir, host.root, systemClock.now());
  const session = createSyncSession({
    host: await open(host),
    container: { endpoint, identity: identity() },
    store,
    policy: 'refuse',
    clock: systemClock,
    onEvent: (event) => {
      events.push(event);
      for (const resolve of wake.splice(0)) resolve();
    },
  });
  onTestFinished(() => session.close());
  await session.start();
  await session.quiet();
  events.length = 0;
  const until = async (from: number, found: (event: EngineEvent) => boolean) => {
    while (!events.slice(from).some(found)) await next();
  };
  const synced = (path: string, to: 'host' | 'container') =>
    until(0, (each) => each.event === 'synced' && each.path === path && each.to === to);
  const equal = async () => {
    for (;;) {
      const idle = until(events.length, ({ event }) => event === 'idle');
      const [here, there] = [await contentsOf(host), await contentsOf(container)];
      if (isDeepStrictEqual(here, there)) return;
      await idle;
    }
  };
  return { session, store, host, container, events, synced, next, equal };
}

/** What of a folder is synchronised, in one line for each path. */
export async function contentsOf({ root, outside }: Folder): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const path of await outside.list()) {
    const parts = path.split('/');
    const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (stat === undefined || parts.some((_, n) => RULES(parts.slice(0, n + 1).join('/'), n < parts.length - 1)))
      continue;
    if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(root, path))}`;
    else if (stat.isFile()) found[path] = `${stat.mode & 0o100} ${hash('sha256', (await outside.read(path)) ?? '')}`;
    else if (!RULES(path, true)) found[path] = 'folder';
  }
  return found;
}

const RULES = compileIgnore([]);

/** Milliseconds, the longest that a timer takes. */
const NEVER = 2 ** 31 - 1;

async function folder(): Promise<TestFolder> {
  const made = await testFolder();
  onTestFinished(() => made.remove());
  return made;
}

/** A session scans when hints may be missing: here it is not told, and a scan that it makes all the same is refused. */
function deafToLoss(end: Endpoint): Endpoint {
  let scanned = false;
  return {
    info: end.info,
    scan: () => {
      if (scanned) return Promise.reject(new Error('a second scan'));
      scanned = true;
      return end.scan();
    },
    watch: (onChange) => end.watch(onChange, () => undefined),
    read: (path, digest) => end.read(path, digest),
    apply: (batch, content) => end.apply(batch, content),
    left: () => end.left(),
    readHeld: (held) => end.readHeld(held),
    release: (held) => end.release(held),
    close: () => end.close(),
  };
}
