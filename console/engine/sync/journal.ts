/**
 * Everything that sync overwrote or deleted, on either side: an index of actions and the bytes by their digest. Kept
 * for a while and up to a size, so that any of it can come back.
 */
import { createHash, hash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Digest, Entry, Path, Side } from '../../../shared/core/sync/tree.ts';
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
]);

export class Journal {
  readonly #files: Files;
  readonly #folder: string;
  readonly #limits: JournalLimits;
  #index: Appender;
  #entries: JournalEntry[];
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
    this.#entries = entries;
    this.#sizes = sizes;
    this.#names = new Grouped(() => files.syncFolder(join(folder, 'blobs')));
  }

  static async open(folder: string, now: number, limits = DEFAULT_LIMITS, files = diskFiles): Promise<Journal> {
    const blobs = join(folder, 'blobs');
    await files.makeFolder(blobs);
    const file = join(folder, 'index.log');
    const data = (await files.read(file)) ?? Buffer.alloc(0);
    const { values, good, beyond } = readLines(data);
    const entries = [...values, ...beyond].flatMap((value) => fromLine(value) ?? []);
    const sizes = new Map<Digest, number>();
    for (const name of await files.names(blobs)) {
      if (name.startsWith('.')) files.remove(join(blobs, name));
      else sizes.set(name, await files.size(join(blobs, name)));
    }
    const index =
      beyond.length > 0 ? Appender.replace(files, file, entries.map(toLine)) : Appender.open(files, file, good);
    const journal = new Journal(files, folder, limits, index, entries, sizes);
    await journal.prune(now);
    return journal;
  }

  /** The index as it is, newest last; nothing is opened or changed, so that it may be somebody else's. */
  static async entries(folder: string, files = diskFiles): Promise<readonly JournalEntry[] | null> {
    const data = await files.read(join(folder, 'index.log'));
    if (data === null) return null;
    const { values, beyond } = readLines(data);
    return [...values, ...beyond].flatMap((value) => fromLine(value) ?? []);
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

  /** The bytes of a blob, or null when it is not (or no longer) here. */
  read(digest: Digest): AsyncIterable<Uint8Array> | null {
    return this.#sizes.has(digest) ? this.#files.stream(this.#blob(digest)) : null;
  }

  /** What is under way is durable; failures were told to those who recorded. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  /** Forgets the oldest until size and age are within their limits. */
  async prune(now: number): Promise<void> {
    const from = now - this.#limits.age;
    let kept = this.#entries.filter(({ at }) => at >= from);
    const counted = new Set<Digest>();
    let bytes = 0;
    const first = kept.findLastIndex(({ blob }) => {
      if (blob === null || counted.has(blob)) return false;
      counted.add(blob);
      bytes += this.#sizes.get(blob) ?? 0;
      return bytes > this.#limits.size;
    });
    kept = kept.slice(first + 1);
    const needed = new Set(kept.map(({ blob }) => blob));
    let replaced: Appender | null = null;
    if (kept.length < this.#entries.length) {
      const old = this.#index;
      this.#index = Appender.replace(this.#files, this.#file(), kept.map(toLine));
      this.#entries = kept;
      replaced = old;
    }
    for (const digest of [...this.#sizes.keys()]) {
      if (needed.has(digest) || this.#awaited.has(digest)) continue;
      this.#sizes.delete(digest);
      this.#files.remove(this.#blob(digest));
    }
    // At the end: all of the above is one step, so that nothing is recorded in between.
    await replaced?.close();
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
      this.#index.append(toLine(whole));
      this.#entries.push(whole);
    } finally {
      if (blob !== null) this.#await(blob, -1);
    }
    await this.#index.durable();
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

function toLine({ at, side, path, before, after, blob }: JournalEntry): string {
  return sealLine([at, side, path, pack(before), pack(after), blob]);
}

function fromLine(value: unknown): JournalEntry | null {
  const line = lineSchema.safeParse(value);
  if (!line.success) return null;
  const [at, side, path, packed, after, blob] = line.data;
  const before = unpack(packed);
  return before === null ? null : { at, side, path, before, after: unpack(after), blob };
}
