/** One real directory as an endpoint of the synchronisation. */
import { closeSync } from 'node:fs';
import type {
  Change,
  ContentSource,
  Endpoint,
  EndpointInfo,
  Left,
  Observation,
  Outcome,
  Scan,
  Watch,
} from '../core/sync/endpoint.ts';
import type { Digest, Path } from '../core/sync/tree.ts';
import { applyBatch } from './apply.ts';
import type { Owner } from './attributes.ts';
import type { Hands, Measure } from './hands.ts';
import { watchFolders } from './hints/folders.ts';
import type { HintSource, HintTarget, OpenHints } from './hints/source.ts';
import { putBack, recover, saveCopy } from './keep.ts';
import type { Keeper } from './keep.ts';
import { dirNodeOf, find, NOTHING_PROVEN, provenIn } from './known.ts';
import type { Proven, ProvenFiles, Sink } from './known.ts';
import { LateWrites } from './late.ts';
import { Looker, MUTE } from './look.ts';
import { briskPacer } from './pacer.ts';
import { mountsBelow, probe, standing } from './probe.ts';
import type { Capabilities } from './probe.ts';
import { readFileAs } from './read.ts';
import { chunksOf } from './reading.ts';
import { loadRenames } from './rename.ts';
import type { Renames } from './rename.ts';
import { Stage } from './stage.ts';
import { loadSyncAll, Syncer } from './syncing.ts';
import { checkingWalker, pinningWalker } from './walk.ts';
import type { Walker } from './walk.ts';
import { Watching } from './watching.ts';

export interface DiskOptions {
  /** Absolute path of the folder; in a sidecar `/proc/N/root/…`. It need not exist yet. */
  readonly root: string;
  /** True for what is not part of the tree. Not asked about what lies in an ignored folder. */
  ignored(path: Path, isDir: boolean): boolean;
  /** Whose new files are when we are root and their folder is root's. */
  readonly owner?: Owner;
  /** What an earlier endpoint of this folder knew (`DiskEndpoint.proven`): only what has changed since is read. */
  readonly proven?: Proven;
  /** Bytes of a small file that the first look has read: whoever keeps them need not read them again. */
  content?(digest: Digest, data: Uint8Array): void;
  log?(text: string): void;
  /** For tests: how folders are entered. Default: by what the system offers. */
  readonly walker?: Walker;
  /** For tests: what the file system is said not to do. Default: it is tried out. */
  readonly can?: Partial<Capabilities>;
  /** For tests: what comes in the place of the system's calls. */
  readonly renames?: Partial<Renames>;
  /** For tests: what says where to look. Default: by the system. */
  readonly hints?: OpenHints;
  /** For tests: a safety measure that is left out. */
  readonly without?: Measure | undefined;
  /** For tests: milliseconds between two slow looks at everything. */
  readonly pause?: number;
}

export interface DiskEndpoint extends Endpoint {
  /** Looks for late writes now and removes the staging folder, unless a batch is under way or a victim waits: what a commit of the container waits for. */
  tidy(): Promise<void>;
  /** The files that need no reading as long as their stamps are the same, also by the next endpoint. */
  proven(): ProvenFiles;
}

export async function openDisk(options: DiskOptions): Promise<DiskEndpoint> {
  const walker = options.walker ?? (process.platform === 'linux' ? pinningWalker : checkingWalker);
  const { mount, parentIsOurs } = standing(walker, options.root);
  const stage = new Stage(
    walker,
    options.root,
    mount || !parentIsOurs,
    options.log?.bind(options) ?? (() => undefined),
  );
  const [offered, syncAll] = await Promise.all([loadRenames(), loadSyncAll()]);
  const renames = offered && { ...offered, ...options.renames };
  const can = { ...(await probe(stage, renames)), ...options.can };
  const disk = new Disk(options, walker, stage, can, renames, new Syncer(syncAll), mount);
  await disk.recover();
  return disk;
}

class Disk implements DiskEndpoint {
  readonly info: EndpointInfo;
  readonly #hands: Hands;
  readonly #keeper: Keeper;
  readonly #looker: Looker;
  readonly #late: LateWrites;
  readonly #stage: Stage;
  readonly #without: Measure | undefined;
  #watching: Watching | null = null;
  #applying: Promise<unknown> = Promise.resolve();
  #scanned = false;
  readonly #openHints: OpenHints;
  readonly #pause: number | undefined;
  /** What the first look finds is told by the scan that asks for it. */
  readonly #first: Sink;

  constructor(
    options: DiskOptions,
    walker: Walker,
    stage: Stage,
    can: Capabilities,
    renames: Renames | null,
    syncer: Syncer,
    mount: boolean,
  ) {
    const { root, owner, without } = options;
    const log = options.log?.bind(options) ?? (() => undefined);
    const ignored = options.ignored.bind(options);
    const { writable, hardLinks, symlinks, execBit, caseSensitive } = can;
    this.info = { root, writable, hardLinks, symlinks, execBit, caseSensitive, mount };
    this.#stage = stage;
    this.#without = without;
    this.#pause = options.pause;
    this.#first = firstLook(options);
    this.#openHints = options.hints ?? ((target) => openHints(root, ignored, target));
    this.#looker = new Looker({
      walker,
      root,
      execBit,
      grain: can.grain,
      caseSensitive,
      proven: options.proven ?? NOTHING_PROVEN,
      without,
      ignored,
      mounts: () => mountsBelow(root),
      sink: { data: true, tell: (news) => this.#watching?.tell(news) },
      cover: (folder, dir) => this.#watching?.cover(folder, dir) ?? null,
      failed: (error) => {
        log(`a look failed: ${textOf(error)}`);
        this.#watching?.lost(textOf(error));
      },
    });
    this.#keeper = { walker, root, stage, hardLinks, owner, log };
    this.#late = new LateWrites(
      async (path, fd, digest, size, quarantine) => {
        if (without === 'late-writes') return;
        this.#looker.visit([await saveCopy(this.#keeper, path, fd, digest, size)]);
        if (quarantine !== null) stage.saved(quarantine, digest);
      },
      (error) => log(`a late write could not be kept: ${textOf(error)}`),
    );
    this.#hands = {
      walker,
      root,
      can,
      stage,
      exchange: can.exchange && renames !== null ? renames.exchange : null,
      moveToFree: can.moveToFree && renames !== null ? renames.moveToFree : null,
      syncer,
      looker: this.#looker,
      late: this.#late,
      owner,
      without,
      ignored,
      putBack: (path, folder, name) => putBack(this.#keeper, path, folder, name),
    };
  }

  /** What others left in quarantine comes back, unless it is what was to be replaced: that is told by `left`. */
  async recover(): Promise<void> {
    await this.#stage.sweep(async (leftover) => {
      if (this.#without !== 'recovery') await recover(this.#keeper, leftover);
    });
    this.#stage.clear();
  }

  async scan(): Promise<Scan> {
    const found: Observation[] = [];
    try {
      const looked = !this.#scanned && (await this.#watching?.takeLook()) === true;
      if (!looked && !(await this.#looker.all({ data: false, tell: (news) => found.push(news) }, briskPacer())))
        return { root: null };
    } catch (error) {
      // What a failed scan found before is told like any other change.
      for (const news of found) this.#watching?.tell(news);
      throw error;
    }
    await this.#looker.settled();
    this.#scanned = true;
    return { root: dirNodeOf(this.#looker.known) };
  }

  async watch(onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void): Promise<Watch> {
    if (this.#watching !== null) throw new Error('this endpoint is watched already');
    const watching = new Watching(this.#looker, onChange, onLost, this.#pause);
    this.#watching = watching;
    await watching.start(this.#openHints, this.#scanned ? watching : this.#first);
    return {
      close: async () => {
        if (this.#watching === watching) this.#watching = null;
        await watching.close();
      },
    };
  }

  read(path: Path, digest: Digest): AsyncIterable<Uint8Array> {
    const seen = find(this.#looker.known, path.split('/'));
    // Nothing is opened but what is in the tree, whatever is asked for.
    const size = seen?.kind === 'file' && seen.node.digest === digest ? seen.node.size : null;
    return readFileAs(this.#hands.walker, this.#hands.root, path, digest, size);
  }

  apply(batch: readonly Change[], content: ContentSource): Promise<readonly Outcome[]> {
    const outcomes = this.#applying.then(() => applyBatch(this.#hands, batch, content));
    this.#applying = outcomes.catch(() => undefined);
    return outcomes;
  }

  async left(): Promise<readonly Left[]> {
    await this.#applying;
    // An endpoint of this process may have been closed since.
    await this.recover();
    return this.#stage.left();
  }

  async *readHeld(held: string): AsyncGenerator<Uint8Array> {
    const file = this.#stage.open(held);
    if (file === null) {
      yield* this.#late.read(held);
      return;
    }
    try {
      yield* chunksOf(file.fd, file.size);
    } finally {
      closeSync(file.fd);
    }
  }

  async release(held: readonly string[]): Promise<void> {
    this.#late.release(held);
    this.#stage.release(held);
    return Promise.resolve();
  }

  async tidy(): Promise<void> {
    await this.#late.lookAtAll();
    await this.#stage.settle();
  }

  proven(): ProvenFiles {
    return provenIn(this.#looker.known);
  }

  async close(): Promise<void> {
    await this.#applying;
    await this.#late.close();
    await this.#watching?.close();
    this.#watching = null;
    await this.#looker.close();
    await this.#stage.close();
  }
}

function firstLook(options: DiskOptions): Sink {
  if (options.content === undefined) return MUTE;
  return {
    data: true,
    tell: ({ node, data }) => {
      if (node?.kind === 'file' && data !== undefined) options.content?.(node.digest, data);
    },
  };
}

/** On Linux one watch a folder, elsewhere chokidar, loaded only there: the agent never needs it. */
async function openHints(root: string, ignored: DiskOptions['ignored'], target: HintTarget): Promise<HintSource> {
  if (process.platform === 'linux') return watchFolders(target);
  const { watchTree } = await import('./hints/tree.ts');
  return watchTree(root, ignored, target);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
