/**
 * One fetch of models: compares by digest what is here, looks whether there is room, then brings what is missing, file by
 * file, each going on where an earlier fetch stopped.
 */
import { createHash, type Hash } from 'node:crypto';
import { fstatSync, ftruncateSync, write as writeCallback } from 'node:fs';
import { promisify } from 'node:util';
import { DrydockError } from '../../../shared/core/errors.ts';
import { MODELS, titleOf, type Model, type ModelFile, type ModelLink } from '../../../shared/core/models.ts';
import { MAX_CHUNK, type StreamLast } from '../../../shared/core/protocol.ts';
import { codeOf } from '../../../shared/disk/errno.ts';
import { chunksOf, withFile } from '../../../shared/disk/reading.ts';
import { violation } from '../../../shared/link/frames.ts';
import type { Peer } from '../../../shared/link/peer.ts';
import { bytes } from '../../app/format.ts';
import type { Journal } from '../sync/journal.ts';
import { HostMoved, stampIn, type HostModels } from './host-models.ts';
import { decide, likenessOf, planOf, type Found, type Plan, type Task } from './plan.ts';

const write = promisify(writeCallback);

/** A file was touched while it was compared or fetched, on either side: what is to be done is to be found out anew. */
export class Changed extends Error {
  override readonly name = 'Changed';
  readonly path: string;
  constructor(path: string) {
    super(path);
    this.path = path;
  }
}

export interface FetchOptions {
  readonly folder: string;
  readonly models: readonly Model[];
  readonly bulk: Peer;
  readonly host: HostModels;
  readonly journal: Journal;
  /** Copies of this machine that differ and are too large for the journal may be overwritten. */
  readonly replace: boolean;
  readonly signal: AbortSignal;
  /** What was found equal by digest, by `proofOf`; it is added to. */
  readonly proven: Set<string>;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: 'comparing' | 'fetching';
  /** Of that phase: of files that both sides have, or of files that are fetched. */
  readonly bytes: number;
  readonly total: number;
  /** Bytes that came over the link. */
  readonly transferred: number;
  /** Bytes that the fetch may take of the disk, when it began. */
  readonly free: number;
}

export interface Fetched {
  readonly files: number;
  readonly bytes: number;
  readonly transferred: number;
  /** Bytes that an earlier fetch had brought. */
  readonly resumed: number;
  /** Files of this machine that differed and are in the journal now. */
  readonly kept: readonly string[];
}

/** That the two are equal, for as long as nobody touches either. */
export const proofOf = (entry: ModelFile, found: Found): string =>
  `${entry.path}\0${entry.stamp}\0${found.kind === 'file' ? found.stamp : ''}`;

/** Rejects with Changed, `halted`, `io`, `cancelled`, or as the link does. What was brought so far stays. */
export async function fetchModels(options: FetchOptions): Promise<Fetched> {
  return new Fetch(options).run();
}

class Fetch {
  readonly #options: FetchOptions;
  #progress: Progress;
  #resumed = 0;
  readonly #kept: string[] = [];

  constructor(options: FetchOptions) {
    this.#options = options;
    const free = Math.max(0, options.host.free());
    this.#progress = { phase: 'comparing', bytes: 0, total: 0, transferred: 0, free };
  }

  async run(): Promise<Fetched> {
    const { host, models } = this.#options;
    if (!host.takes()) {
      throw new DrydockError('halted', `${MODELS} in ${host.dir} is a link, a file, or on another disk.`, {
        hint: 'Models are fetched only into a folder of the same disk: move it away, and fetch again.',
      });
    }
    const plan = await this.#plan();
    host.dropPartsBut(models.flatMap(({ entries }) => entries.map(({ path }) => path)));
    this.#checkRoom(plan);
    this.#told({ ...this.#progress, phase: 'fetching', bytes: 0, total: plan.total });
    for (const task of plan.tasks) await this.#fetch(task);
    refuse(plan, host.dir);
    const { total, transferred } = this.#progress;
    return { files: plan.tasks.length, bytes: total, transferred, resumed: this.#resumed, kept: this.#kept };
  }

  async #plan(): Promise<Plan> {
    const { host, models, replace } = this.#options;
    const looked = models.map((model) => ({
      model,
      files: model.entries.map((entry) => ({ entry, found: host.look(entry.path) })),
    }));
    const doubtful = looked
      .flatMap(({ files }) => files)
      .reduce((sum, { entry, found }) => sum + (this.#needsDigest(entry, found) ? entry.size : 0), 0);
    this.#told({ ...this.#progress, total: doubtful });
    const planned: { model: Model; tasks: Task[] }[] = [];
    for (const { model, files } of looked) {
      const tasks: Task[] = [];
      for (const { entry, found } of files) {
        const equal = await this.#isEqual(entry, found);
        tasks.push({ entry, found, decision: decide(entry, found, equal, replace), begun: this.#begun(entry) });
      }
      planned.push({ model, tasks });
    }
    return planOf(planned);
  }

  #begun(entry: ModelFile | ModelLink): number {
    const begun = entry.kind === 'file' ? this.#options.host.begun(entry.path) : 0;
    return entry.kind === 'file' && begun <= entry.size ? begun : 0;
  }

  #needsDigest(entry: ModelFile | ModelLink, found: Found): entry is ModelFile {
    if (entry.kind === 'link' || found.kind !== 'file' || likenessOf(entry, found) === 'differs') return false;
    return entry.size > 0 && !this.#options.proven.has(proofOf(entry, found));
  }

  async #isEqual(entry: ModelFile | ModelLink, found: Found): Promise<boolean> {
    const { host, proven } = this.#options;
    if (entry.kind === 'link' || found.kind !== 'file' || found.size !== entry.size) return false;
    if (!this.#needsDigest(entry, found)) return true;
    const digest = await withFile(this.#open(entry.path), async (fd) => {
      const hasher = await this.#hash(fd, entry.size);
      if (stampIn(fd) !== found.stamp) throw new Changed(entry.path);
      return hasher.digest('hex');
    });
    const { path, size } = entry;
    const { stream, opened } = await this.#openStream(entry, size, digest);
    stream.destroy();
    if (opened.from === null) throw new Changed(path);
    this.#told({ ...this.#progress, bytes: this.#progress.bytes + size });
    if (opened.from !== size) return false;
    proven.add(proofOf(entry, host.look(path)));
    return true;
  }

  #open(path: string): number {
    try {
      return this.#options.host.open(path);
    } catch (error) {
      if (codeOf(error) === '') throw error;
      throw codeOf(error) === 'EACCES' ? unusable(error, path) : new Changed(path);
    }
  }

  async #hash(fd: number, size: number): Promise<Hash> {
    const hasher = createHash('sha256');
    for await (const chunk of chunksOf(fd, size, 0, MAX_CHUNK)) {
      this.#options.signal.throwIfAborted();
      hasher.update(chunk);
    }
    return hasher;
  }

  #checkRoom({ total, begun }: Plan): void {
    const { host } = this.#options;
    const { free } = this.#progress;
    const need = total - begun;
    if (need <= free) return;
    throw new DrydockError(
      'halted',
      `${bytes(need)} of models do not fit on the disk of ${host.dir}: ${bytes(free)} may be taken.`,
      {
        hint: 'Make room, or name a folder on another disk with --dir, and fetch again.',
      },
    );
  }

  async #fetch({ entry, found, decision }: Task): Promise<void> {
    const { host, signal } = this.#options;
    signal.throwIfAborted();
    try {
      if (entry.kind === 'link') {
        host.placeLink(entry);
        return;
      }
      await withFile(host.openPart(entry.path), async (fd) => {
        const digest = await this.#bring(entry, fd);
        if (decision === 'keep') await this.#keep(entry, found, digest);
        await host.place(fd, entry, found);
      });
      host.tidy();
      this.#options.proven.add(proofOf(entry, host.look(entry.path)));
    } catch (error) {
      if (error instanceof HostMoved) throw new Changed(entry.path);
      throw codeOf(error) === '' ? error : unusable(error, entry.path);
    }
  }

  /** Fills the part; resolves with the digest of what it holds, which is the file as it was listed. */
  async #bring(entry: ModelFile, fd: number): Promise<string> {
    const { signal, host } = this.#options;
    const { path, size } = entry;
    if (fstatSync(fd).size > size) ftruncateSync(fd, 0);
    let at = fstatSync(fd).size;
    let hasher = await this.#hash(fd, at);
    const prefix = hasher.copy().digest('hex');
    const { stream, opened } = await this.#openStream(entry, at, prefix);
    const stop = () => stream.destroy(signal.reason as DrydockError);
    signal.addEventListener('abort', stop);
    try {
      if (opened.from === null) throw new Changed(path);
      if (opened.from !== at) {
        if (opened.from !== 0) throw violation('a file that begins elsewhere');
        ftruncateSync(fd, 0);
        hasher = createHash('sha256');
        at = 0;
      }
      this.#resumed += at;
      this.#told({ ...this.#progress, bytes: this.#progress.bytes + at });
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        if (at + chunk.length > size) throw violation('more of a file than was listed');
        hasher.update(chunk);
        for (let done = 0; done < chunk.length;) {
          done += (await write(fd, chunk, done, chunk.length - done, at + done)).bytesWritten;
        }
        at += chunk.length;
        const { bytes: all, transferred } = this.#progress;
        this.#told({ ...this.#progress, bytes: all + chunk.length, transferred: transferred + chunk.length });
      }
      const last = (await stream.last) as StreamLast<'modelFile'> | undefined;
      const digest = hasher.digest('hex');
      if (at === size && last?.digest === digest) return digest;
      // Bytes of two states of the file, or bytes that were damaged: of no use for either.
      host.dropPart(path);
      throw new Changed(path);
    } finally {
      signal.removeEventListener('abort', stop);
      stream.destroy();
    }
  }

  /** The agent answers once it has read as much as we have; whoever stops does not wait for that. */
  async #openStream({ path, stamp }: ModelFile, from: number, prefix: string) {
    const { bulk, folder, signal } = this.#options;
    signal.throwIfAborted();
    const opening = bulk.open('modelFile', { folder, path, stamp, from, prefix });
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const stop = () => reject(signal.reason as DrydockError);
    signal.addEventListener('abort', stop);
    try {
      return await Promise.race([opening, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
      if (signal.aborted)
        opening.then(
          ({ stream }) => stream.destroy(),
          () => undefined,
        );
    }
  }

  /** What will be overwritten is in the journal. */
  async #keep(entry: ModelFile, found: Found, digest: string): Promise<void> {
    const { journal } = this.#options;
    if (found.kind !== 'file') return;
    await withFile(this.#open(entry.path), async (fd) => {
      const { size, mode } = fstatSync(fd);
      const old = (await this.#hash(fd, size)).digest('hex');
      const before = { kind: 'file', digest: old, size, exec: (mode & 0o100) !== 0 } as const;
      const after = { kind: 'file', digest, size: entry.size, exec: entry.exec } as const;
      const path = `${MODELS}/${entry.path}`;
      await journal.record({ at: Date.now(), side: 'host', path, before, after }, chunksOf(fd, size));
      if (stampIn(fd) !== found.stamp) throw new Changed(entry.path);
      this.#kept.push(path);
    });
  }

  #told(progress: Progress): void {
    this.#progress = progress;
    this.#options.onProgress(progress);
  }
}

function refuse({ refused }: Plan, dir: string): void {
  if (refused.length === 0) return;
  const names = refused.map(({ model }) => titleOf(model)).join(', ');
  const paths = refused.flatMap((each) => each.paths);
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : '';
  throw new DrydockError(
    'halted',
    `Not fetched: ${names}. On this machine ${paths
      .slice(0, 3)
      .map((path) => `${MODELS}/${path}`)
      .join(', ')}${more} differ from the container’s, and are too large for the journal or no files.`,
    { hint: `Move them away from ${dir}, or give them up with: drydock sync --with-models --replace-models` },
  );
}

export function unusable(cause: unknown, path: string | null): DrydockError {
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: 'The disk is full: make room, and fetch again. It goes on where it stopped.',
    EDQUOT: 'Your quota is used up: make room, and fetch again. It goes on where it stopped.',
    EACCES: 'You may not write there: look at owner and mode of the folder.',
    EROFS: 'The disk is read-only: name another folder with --dir.',
  };
  const words = cause instanceof Error ? cause.message : String(cause);
  return new DrydockError('io', `${path === null ? MODELS : `${MODELS}/${path}`} cannot be fetched: ${words}.`, {
    hint: hints[codeOf(cause)] ?? 'Look at the folder, and fetch again. It goes on where it stopped.',
    cause,
  });
}
