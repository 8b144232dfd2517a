/** Two virtual disks and a real session between them, with a real log and journal in a temporary folder. */
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../console/engine/sync/clock.ts';
import { createSyncSession, type SyncOptions, type SyncSession } from '../../console/engine/sync/driver.ts';
import { diskFiles, type Files } from '../../console/engine/sync/files.ts';
import { SyncStore, type ContainerIdentity } from '../../console/engine/sync/store.ts';
import type { EngineEvent } from '../../console/engine/view.ts';
import { MemoryDisk, MemoryEndpoint, type MemoryOptions } from './memory-endpoint.ts';

export function identity(part: Partial<ContainerIdentity> = {}): ContainerIdentity {
  return {
    place: 'memory',
    container: 'c1',
    image: 'i1',
    startedAt: '2026-01-01T00:00:00Z',
    name: 'debug',
    root: '/var/azureml-app',
    mount: null,
    ...part,
  };
}

export type PairOptions = Partial<
  Pick<SyncOptions, 'policy' | 'brakes' | 'without' | 'delicate' | 'clock' | 'rulesHold' | 'said'>
> & {
  readonly identity?: ContainerIdentity;
  readonly onHost?: MemoryOptions;
  readonly onContainer?: MemoryOptions;
  readonly files?: Files;
  /** The container is attached when the host was looked at already. */
  readonly late?: boolean;
};

export class SyncPair {
  readonly host: MemoryDisk;
  readonly container: MemoryDisk;
  readonly stateDir: string;
  readonly events: EngineEvent[] = [];
  readonly store: SyncStore;
  readonly session: SyncSession;
  readonly hostEnd: MemoryEndpoint;
  containerEnd: MemoryEndpoint;
  readonly options: PairOptions;
  identity: ContainerIdentity;
  #changed: (() => void)[] = [];

  private constructor(
    disks: { readonly host: MemoryDisk; readonly container: MemoryDisk },
    stateDir: string,
    store: SyncStore,
    options: PairOptions,
  ) {
    const { policy = 'refuse', onHost, onContainer, identity: who = identity(), late = false, ...more } = options;
    this.options = options;
    this.host = disks.host;
    this.container = disks.container;
    this.stateDir = stateDir;
    this.store = store;
    this.identity = who;
    this.hostEnd = new MemoryEndpoint(this.host, onHost);
    this.containerEnd = new MemoryEndpoint(this.container, onContainer);
    this.session = createSyncSession({
      host: this.hostEnd,
      container: late ? null : { endpoint: this.containerEnd, identity: who },
      store,
      policy,
      clock: systemClock,
      onEvent: (event) => this.events.push(event),
      onChange: () => this.#wake(),
      ...more,
    });
  }

  static async open(
    files: { readonly host?: Readonly<Record<string, string>>; readonly container?: Readonly<Record<string, string>> },
    options: PairOptions = {},
  ): Promise<SyncPair> {
    const disks = { host: new MemoryDisk(), container: new MemoryDisk() };
    for (const side of ['host', 'container'] as const) {
      for (const [path, text] of Object.entries(files[side] ?? {})) disks[side].write(path, text);
    }
    return SyncPair.on(disks, await mkdtemp(join(tmpdir(), 'drydock-sync-')), options);
  }

  /** On disks and a state that are there already: a console that starts again. */
  static async on(
    disks: { readonly host: MemoryDisk; readonly container: MemoryDisk },
    stateDir: string,
    options: PairOptions = {},
  ): Promise<SyncPair> {
    const store = await SyncStore.open(stateDir, '/host/folder', systemClock.now(), options.files ?? diskFiles);
    const pair = new SyncPair(disks, stateDir, store, options);
    await pair.session.start();
    if (options.late === true) {
      await pair.until(() => pair.hostEnd.scans > 0 && pair.session.view().rows.length > 0);
      await pair.attach();
    }
    return pair;
  }

  /** What a killed console leaves: the state as it is on disk now. The lock of the dead process is void. */
  async killed(): Promise<string> {
    const copy = await mkdtemp(join(tmpdir(), 'drydock-sync-'));
    // At one instant, without what is being written under another name.
    cpSync(this.stateDir, copy, { recursive: true, filter: (path) => !/\/(lock[^/]*|\.[^/]*|[^/]*\.new)$/.test(path) });
    return copy;
  }

  async until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** The next `synced` of a path. */
  synced(path: string, to: 'host' | 'container'): Promise<EngineEvent> {
    return this.until(() =>
      this.events.find((each) => each.event === 'synced' && each.path === path && each.to === to),
    );
  }

  told(event: EngineEvent['event']): readonly EngineEvent[] {
    return this.events.filter((each) => each.event === event);
  }

  /** The link comes back, to the same container or to another. */
  async attach(next: Partial<ContainerIdentity> = {}, options: MemoryOptions = {}): Promise<void> {
    this.identity = { ...this.identity, ...next };
    await this.containerEnd.close(); // as an agent does when a link is gone
    this.containerEnd = new MemoryEndpoint(this.container, options);
    await this.session.attachContainer(this.containerEnd, this.identity);
  }

  async close(): Promise<void> {
    await this.session.close();
    await rm(this.stateDir, { recursive: true, force: true });
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}
