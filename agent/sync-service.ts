/** The app folder as a sync endpoint of one console: shared/disk behind the link. */
import { isAbsolute, join } from 'node:path';
import { DrydockError } from '../shared/core/errors.ts';
import type { Params, Result } from '../shared/core/protocol.ts';
import { type Change, type ContentSource, type Outcome, type Watch } from '../shared/core/sync/endpoint.ts';
import { compileIgnore } from '../shared/core/sync/ignore.ts';
import type { Path } from '../shared/core/sync/tree.ts';
import { openDisk, type DiskEndpoint } from '../shared/disk/disk.ts';
import { NOTHING_PROVEN, type Proven, type ProvenFiles } from '../shared/disk/known.ts';
import { blobAt, Blobs } from '../shared/link/blobs.ts';
import { receiveFile, sendFile } from '../shared/link/file-stream.ts';
import type { MuxStream } from '../shared/link/mux-stream.ts';
import { WithAttached, type Peer } from '../shared/link/peer.ts';
import { toWire } from '../shared/link/wire-tree.ts';
import { isHidden } from './hidden.ts';
import { shedSoon } from './lean.ts';

export interface SyncOptions {
  /** The console's connections: events on the first, file bytes on the second, which may come later. */
  readonly control: Peer;
  bulk(): Promise<Peer>;
  /** Paths that were changed by the console, or on disk by others. */
  changed(paths: readonly string[], origin: 'sync' | 'disk'): void;
  readonly proven: ProvenFolders;
  /** Whose new files are when their folder does not say. */
  owner(): Promise<{ readonly uid: number; readonly gid: number }>;
  log(text: string): void;
}

/** What the last console's folder was known to hold, so that the next one's first look reads only what has changed. */
export class ProvenFolders {
  #last: { readonly root: string; readonly rules: string; readonly files: ProvenFiles } | null = null;

  keep(root: string, rules: string, files: ProvenFiles): void {
    this.#last = { root, rules, files };
  }

  take(root: string, rules: string): Proven {
    const last = this.#last;
    this.#last = null;
    return last?.root === root ? { files: last.files, ruled: last.rules === rules } : NOTHING_PROVEN;
  }
}

interface Open {
  readonly disk: DiskEndpoint;
  readonly rules: string;
}

/** Folders that one console has open at once. */
const MAX_ENDPOINTS = 16;
/** A batch of more changes leaves much garbage. */
const MANY = 100;

export class SyncService {
  readonly #options: SyncOptions;
  readonly #endpoints = new Map<number, Open>();
  readonly #watches = new Map<number, Watch>();
  /** What was changed by the pieces of a batch of which more follows. */
  readonly #untold: Path[] = [];
  #next = 1;
  /** Endpoints that are open or on the way. */
  #opened = 0;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  async open(params: Params<'sync.open'>): Promise<Result<'sync.open'>> {
    if (!isAbsolute(params.root)) throw new DrydockError('protocol-violation', 'A folder that is no absolute path.');
    if (this.#opened >= MAX_ENDPOINTS) throw new DrydockError('protocol-violation', 'Too many folders are open.');
    this.#opened += 1;
    try {
      return await this.#open(params);
    } catch (error) {
      this.#opened -= 1;
      throw error;
    }
  }

  async #open(params: Params<'sync.open'>): Promise<Result<'sync.open'>> {
    const { uid, gid } = await this.#options.owner();
    const ignored = compileIgnore(params.rules);
    const rules = params.rules.join('\n');
    const disk = await openDisk({
      root: params.root,
      ignored: (path, isDir) => isHidden(join(params.root, path)) || ignored(path, isDir),
      owner: { uid, gid },
      proven: this.#options.proven.take(params.root, rules),
      log: (text: string) => this.#options.log(text),
    });
    const endpoint = this.#next++;
    this.#endpoints.set(endpoint, { disk, rules });
    return { endpoint, info: disk.info };
  }

  async scan({ endpoint }: Params<'sync.scan'>): Promise<Result<'sync.scan'>> {
    const { root } = await this.#get(endpoint).scan();
    shedSoon(true);
    return { root: root === null ? null : toWire(root) };
  }

  async watch({ endpoint }: Params<'sync.watch'>): Promise<Result<'sync.watch'>> {
    const disk = this.#get(endpoint);
    const lost = (reason: string) => this.#options.control.emit('sync.lost', { endpoint, reason });
    const watch = await disk.watch((batch) => {
      const blobs = new Blobs();
      const changes = batch.map(({ path, node, data }) => ({
        path,
        node: node === null ? null : toWire(node),
        ...attach(blobs, data),
      }));
      try {
        this.#options.control.emit('sync.changes', { endpoint, changes }, blobs.list);
      } catch (error) {
        lost(`too much at once: ${String(error)}`);
      }
      this.#options.changed(
        batch.map(({ path }) => path),
        'disk',
      );
    }, lost);
    this.#watches.set(endpoint, watch);
    return {};
  }

  async unwatch({ endpoint }: Params<'sync.unwatch'>): Promise<Result<'sync.unwatch'>> {
    const watch = this.#watches.get(endpoint);
    this.#watches.delete(endpoint);
    await watch?.close();
    return {};
  }

  async apply(
    { endpoint, changes, inline, more }: Params<'sync.apply'>,
    attached: readonly Uint8Array[],
  ): Promise<WithAttached<Result<'sync.apply'>>> {
    const disk = this.#get(endpoint);
    const contents = new Map(inline.map(({ digest, data }) => [digest, blobAt(attached, data)]));
    const outcomes = await disk.apply(changes satisfies readonly Change[], this.#content(endpoint, contents));
    for (const { path, result } of outcomes) if (result === 'done') this.#untold.push(path);
    if (more !== true) this.#tell();
    shedSoon(changes.length > MANY);
    const blobs = new Blobs();
    return new WithAttached({ outcomes: outcomes.map((outcome) => wireOutcome(outcome, blobs)) }, blobs.list);
  }

  async left({ endpoint }: Params<'sync.left'>): Promise<Result<'sync.left'>> {
    return { left: [...(await this.#get(endpoint).left())] };
  }

  async release({ endpoint, held }: Params<'sync.release'>): Promise<Result<'sync.release'>> {
    await this.#get(endpoint).release(held);
    return {};
  }

  async close({ endpoint }: Params<'sync.close'>): Promise<Result<'sync.close'>> {
    const open = this.#at(endpoint);
    this.#endpoints.delete(endpoint);
    this.#watches.delete(endpoint);
    this.#opened -= 1;
    await this.#close(open);
    shedSoon(true);
    return {};
  }

  read(endpoint: number, path: string, digest: string, stream: MuxStream): void {
    void sendFile(this.#get(endpoint).read(path, digest), stream);
  }

  readHeld(endpoint: number, held: string, stream: MuxStream): void {
    void sendFile(this.#get(endpoint).readHeld(held), stream);
  }

  /** Nothing of ours stays on disk: late writes are looked for now, and staging goes. */
  async tidy(): Promise<void> {
    await Promise.all(Array.from(this.#endpoints.values(), ({ disk }) => disk.tidy()));
  }

  async closeAll(): Promise<void> {
    const open = [...this.#endpoints.values()];
    this.#endpoints.clear();
    await Promise.allSettled(open.map((each) => this.#close(each)));
    this.#tell(); // of a batch whose end did not come
    shedSoon(true);
  }

  async #close({ disk, rules }: Open): Promise<void> {
    this.#options.proven.keep(disk.info.root, rules, disk.proven());
    await disk.close();
  }

  #tell(): void {
    const done = this.#untold.splice(0);
    if (done.length > 0) this.#options.changed(done, 'sync');
  }

  #get(endpoint: number): DiskEndpoint {
    return this.#at(endpoint).disk;
  }

  #at(endpoint: number): Open {
    const open = this.#endpoints.get(endpoint);
    if (open === undefined) throw new DrydockError('protocol-violation', `There is no endpoint ${endpoint}.`);
    return open;
  }

  #content(endpoint: number, contents: ReadonlyMap<string, Uint8Array>): ContentSource {
    const bulk = () => this.#options.bulk();
    return {
      atHand: (digest) => contents.get(digest),
      async *open(digest, path) {
        const inline = contents.get(digest);
        if (inline !== undefined) {
          yield inline;
          return;
        }
        const { stream } = await (await bulk()).open('content', { endpoint, digest, path });
        yield* receiveFile(stream, path);
      },
    };
  }
}

/** Bytes that the console can read as well: only as many as one frame carries. */
function attach(blobs: Blobs, data: Uint8Array | undefined): { data?: number } {
  return data === undefined || !blobs.hasRoomFor(data.byteLength) ? {} : { data: blobs.add(data) };
}

function wireOutcome(outcome: Outcome, blobs: Blobs): Result<'sync.apply'>['outcomes'][number] {
  switch (outcome.result) {
    case 'done': {
      if (outcome.victim === undefined) return { path: outcome.path, result: 'done' };
      const { data, ...victim } = outcome.victim;
      return {
        path: outcome.path,
        result: 'done',
        victim: { ...victim, ...(data === undefined ? {} : { data: blobs.add(data) }) },
      };
    }
    case 'refused':
      return {
        path: outcome.path,
        result: 'refused',
        found: outcome.found === null ? null : toWire(outcome.found),
        ...attach(blobs, outcome.data),
      };
    case 'failed':
      return outcome;
  }
}
