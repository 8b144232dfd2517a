/**
 * Everything that sync overwrote or deleted, on either side: an index of actions and the bytes by their digest. Kept
 * for a while and up to a size, so that any of it can come back.
 */
import { createHash, hash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { sameEntry, type Digest, type Entry, type Path, type Side } from '../../../shared/core/sync/tree.ts';
import { Appender } from './appender.ts';
import { diskFiles, type Files } from './files.ts';
import { Grouped } from './grouped.ts';
import { DEFAULT_LIMITS, type JournalLimits } from './limits.ts';
import { pack, packedSchema, readLines, sealLine, unpack } from './records.ts';

export interface JournalEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly side: Side;
  readonly path: Path;
  readonly before: Entry;
  /** Null: it was deleted. */
  readonly after: Entry | null;
  /** Where the bytes of `before` are; null for a link, and for a file whose bytes could not be had. */
  readonly blob: Digest | null;
}

const lineSchema = z.tuple([
  z.number(),
  z.enum(['host', 'container']),
  z.string(),
  packedSchema,
  packedSchema,
  z.string().nullable(),
  /** Bytes of the blob; older journals do not say. */
  z.number().optional(),
]);

/** What is left of a limit's worth when it was passed: the index is not written anew for each action. */
const LEFT = 7 / 8;
/** What the versions of one path may take of all where room is short: a growing log drives out nothing but itself. */
const SHARE = 1 / 16;
/** Bytes that a file takes on most disks are a multiple of this. */
const BLOCK = 4096;

export class Journal {
  readonly #files: Files;
  readonly #folder: string;
  readonly #limits: JournalLimits;
  #index: Appender;
  #entries: JournalEntry[] = [];
  /** Blobs of `#entries`, and what all of it counts. Bytes. */
  #counted = new Set<Digest>();
  #used = 0;
  /** Of each blob, that of an action to come as well. Bytes. */
  readonly #sizes: Map<Digest, number>;
  /** Names of blobs are on the disk. */
  readonly #names: Grouped;
  readonly #writing = new Set<Promise<void>>();
  /** Blobs whose action is not in the index yet, and for how many actions. */
  readonly #awaited = new Map<Digest, number>();
  /** The index is in the order of the actions, however long each one's bytes took. */
  #order: Promise<void> = Promise.resolve();

  private constructor(
    files: Files,
    folder: string,
    limits: JournalLimits,
    index: Appender,
    entries: JournalEntry[],
    sizes: Map<Digest, number>,
  ) {
    this.#files = files;
    this.#folder = folder;
    this.#limits = limits;
    this.#index = index;
    this.#sizes = sizes;
    for (const entry of entries) this.#add(entry);
    this.#names = new Grouped(() => files.syncFolder(join(folder, 'blobs')));
  }

  static async open(folder: string, now: number, limits = DEFAULT_LIMITS, files = diskFiles): Promise<Journal> {
    const blobs = join(folder, 'blobs');
    await files.makeFolder(blobs);
    const file = join(folder, 'index.log');
    const data = (await files.read(file)) ?? Buffer.alloc(0);
    const { values, good, beyond } = readLines(data);
    const lines = [...values, ...beyond].flatMap((value) => fromLine(value) ?? []);
    const entries = lines.map(({ entry }) => entry);
    const here = new Set(await files.names(blobs));
    const sizes = new Map<Digest, number>();
    for (const { entry, size } of lines) if (entry.blob !== null && here.has(entry.blob)) sizes.set(entry.blob, size);
    for (const name of here) if (!sizes.has(name)) files.remove(join(blobs, name));
    const index =
      beyond.length > 0 ? Appender.replace(files, file, toLines(entries, sizes)) : Appender.open(files, file, good);
    const journal = new Journal(files, folder, limits, index, entries, sizes);
    await journal.prune(now);
    return journal;
  }

  /** The index as it is, newest last; nothing is opened or changed, so that it may be somebody else's. */
  static async entries(folder: string, files = diskFiles): Promise<readonly JournalEntry[] | null> {
    const data = await files.read(join(folder, 'index.log'));
    if (data === null) return null;
    const { values, beyond } = readLines(data);
    return [...values, ...beyond].flatMap((value) => fromLine(value)?.entry ?? []);
  }

  /** Newest last. */
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** Keeps the bytes, then says so in the index; resolves when both are durable. */
  record(entry: Omit<JournalEntry, 'blob'>, bytes: Uint8Array | AsyncIterable<Uint8Array> | null): Promise<void> {
    const work = this.#record(entry, bytes, this.#order);
    this.#order = work.catch(() => undefined);
    this.#writing.add(work);
    const done = () => this.#writing.delete(work);
    work.then(done, done);
    return work;
  }

  /** The newest action on a path is this one; it and its bytes are durable. Never rejects. */
  async holds({ side, path, before, after }: Omit<JournalEntry, 'at' | 'blob'>): Promise<boolean> {
    const last = this.#entries.findLast((entry) => entry.side === side && entry.path === path);
    if (last === undefined || last.blob === null || !this.#sizes.has(last.blob)) return false;
    if (!sameEntry(last.before, before) || !sameEntry(last.after, after)) return false;
    // It may be what an earlier console, or a sync that failed, left to the kernel.
    return this.#index.durable().then(
      () => true,
      () => false,
    );
  }

  /** The bytes of a blob, or null when it is not (or no longer) here. */
  read(digest: Digest): AsyncIterable<Uint8Array> | null {
    return this.#sizes.has(digest) ? this.#files.stream(this.#blob(digest)) : null;
  }

  /** What is under way is durable; failures were told to those who recorded. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  /** Once a limit is passed the oldest is forgotten, and before it what paths have beyond their share. */
  async prune(now: number): Promise<void> {
    const { size, age } = this.#limits;
    const oldest = this.#entries[0]?.at ?? now;
    if (this.#used <= size && now - oldest <= age / LEFT) return;
    const kept: JournalEntry[] = [];
    const counted = new Set<Digest>();
    const shares = new Map<Path, number>();
    let used = 0;
    for (const entry of this.#entries.toReversed()) {
      const bytes = this.#bytesOf(entry, counted);
      const share = shares.get(entry.path) ?? 0;
      if (entry.at < now - age || used + bytes > size * LEFT || (share > 0 && share + bytes > size * SHARE)) continue;
      kept.push(entry);
      if (entry.blob !== null) counted.add(entry.blob);
      shares.set(entry.path, share + bytes);
      used += bytes;
    }
    const old = this.#index;
    this.#index = Appender.replace(this.#files, this.#file(), toLines(kept.toReversed(), this.#sizes));
    this.#entries = kept.toReversed();
    this.#counted = counted;
    this.#used = used;
    for (const digest of [...this.#sizes.keys()]) this.#dropUnlessNeeded(digest);
    // At the end: all of the above is one step, so that nothing is recorded in between.
    await old.close();
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#index.close();
  }

  async #record(
    entry: Omit<JournalEntry, 'blob'>,
    bytes: Uint8Array | AsyncIterable<Uint8Array> | null,
    before: Promise<void>,
  ): Promise<void> {
    const blob = bytes === null ? null : await this.#keep(bytes);
    try {
      if (blob !== null) await this.#names.run();
      await before;
      const whole = { ...entry, blob };
      this.#index.append(toLine(whole, this.#sizes));
      this.#add(whole);
    } finally {
      if (blob !== null) {
        this.#await(blob, -1);
        this.#dropUnlessNeeded(blob);
      }
    }
    await this.#index.durable();
    // Not after a pause only, which may not come. Where it fails, the next one does too, and says so.
    await this.prune(entry.at).catch(() => undefined);
  }

  #add(entry: JournalEntry): void {
    this.#used += this.#bytesOf(entry, this.#counted);
    if (entry.blob !== null) this.#counted.add(entry.blob);
    this.#entries.push(entry);
  }

  /** What an action counts beside others with these blobs. */
  #bytesOf({ blob }: JournalEntry, counted: ReadonlySet<Digest>): number {
    const size = blob === null || counted.has(blob) ? 0 : (this.#sizes.get(blob) ?? 0);
    return Math.max(this.#limits.least, Math.ceil(size / BLOCK) * BLOCK);
  }

  #dropUnlessNeeded(digest: Digest): void {
    if (this.#counted.has(digest) || this.#awaited.has(digest)) return;
    this.#sizes.delete(digest);
    this.#files.remove(this.#blob(digest));
  }

  /** By the digest that the bytes really have, whatever the side said. Not to be pruned until it is no more awaited. */
  async #keep(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<Digest> {
    if (bytes instanceof Uint8Array) {
      const digest = hash('sha256', bytes, 'hex');
      if (this.#sizes.has(digest)) {
        this.#await(digest, 1);
        return digest;
      }
    }
    const temporary = join(this.#folder, 'blobs', `.${randomUUID()}`);
    const hasher = createHash('sha256');
    let size = 0;
    const measured = async function* () {
      for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
        hasher.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    };
    await this.#files.save(temporary, measured());
    const digest = hasher.digest('hex');
    this.#files.rename(temporary, this.#blob(digest));
    this.#sizes.set(digest, size);
    this.#await(digest, 1);
    return digest;
  }

  #await(digest: Digest, by: number): void {
    const actions = (this.#awaited.get(digest) ?? 0) + by;
    if (actions > 0) this.#awaited.set(digest, actions);
    else this.#awaited.delete(digest);
  }

  #blob(digest: Digest): string {
    return join(this.#folder, 'blobs', digest);
  }

  #file(): string {
    return join(this.#folder, 'index.log');
  }
}

function toLines(entries: readonly JournalEntry[], sizes: ReadonlyMap<Digest, number>): string[] {
  return entries.map((entry) => toLine(entry, sizes));
}

function toLine({ at, side, path, before, after, blob }: JournalEntry, sizes: ReadonlyMap<Digest, number>): string {
  const size = blob === null ? undefined : sizes.get(blob);
  return sealLine([at, side, path, pack(before), pack(after), blob, ...(size === undefined ? [] : [size])]);
}

function fromLine(value: unknown): { readonly entry: JournalEntry; readonly size: number } | null {
  const line = lineSchema.safeParse(value);
  if (!line.success) return null;
  const [at, side, path, packed, packedAfter, blob, size] = line.data;
  const before = unpack(packed);
  if (before === null) return null;
  const entry = { at, side, path, before, after: unpack(packedAfter), blob };
  return { entry, size: size ?? (before.kind === 'file' ? before.size : 0) };
}
