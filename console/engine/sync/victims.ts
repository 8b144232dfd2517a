/**
 * What sync took off one disk: it goes into the journal and waits at its endpoint until it is there. While the endpoint
 * lives nothing is given up; what is left when it is gone is told by the next one of the same folder.
 */
import { DrydockError } from '../../../shared/core/errors.ts';
import { ContentMoved, type Endpoint, type Victim } from '../../../shared/core/sync/endpoint.ts';
import type { Entry, Path, Side } from '../../../shared/core/sync/tree.ts';
import type { Clock } from './clock.ts';
import { Grouped } from './grouped.ts';
import type { Journal } from './journal.ts';

/** Those that did not come with their outcome and are read at once. */
const READ_AT_ONCE = 8;
/** Bytes that came with outcomes and are not in the journal yet; with more no other batch is asked for. */
const MOST_BYTES = 32 * 1024 * 1024;
/** After one could not be kept it is tried again. Milliseconds. */
const AGAIN = 5_000;

export interface VictimsOptions {
  readonly side: Side;
  readonly endpoint: Endpoint;
  readonly journal: Journal;
  readonly clock: Clock;
  /** False in tests alone: nothing is kept. */
  readonly keeps: boolean;
  /** `trouble` differs. */
  onChange(): void;
}

/** An action, and where the bytes are that it took away. */
interface Owed {
  readonly path: Path;
  readonly before: Entry;
  readonly after: Entry | null;
  readonly held?: string | undefined;
  readonly data?: Uint8Array | undefined;
}

export class Victims {
  readonly #options: VictimsOptions;
  /** Handles of those that are owed or not released yet. */
  readonly #held = new Set<string>();
  /** Those that wait until others have been read. */
  readonly #queue: Owed[] = [];
  /** Those that could not be kept. */
  #failed: Owed[] = [];
  #trouble: DrydockError | null = null;
  #asking = 0;
  #reading = 0;
  /** Those that are being kept, and the bytes that came with their outcomes. */
  #keeping = 0;
  #bytes = 0;
  #kept: string[] = [];
  readonly #releases = new Grouped(() => this.#releaseKept());
  #releasing = 0;
  #cancelRetry: () => void = () => undefined;
  #closed = false;
  #waiters: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  constructor(options: VictimsOptions) {
    this.#options = options;
  }

  /** Why one could not be kept, until all could. */
  get trouble(): DrydockError | null {
    return this.#trouble;
  }

  /** What an outcome told. `isFirst`: the journal has nothing of it yet. */
  take(action: Omit<Owed, 'held' | 'data'>, victim: Victim | null, isFirst: boolean): void {
    const { held, data } = victim ?? {};
    this.#owe({ ...action, held, data }, isFirst);
  }

  /** Asks for what outcomes told that were not heard. */
  async ask(): Promise<void> {
    this.#asking += 1;
    try {
      for (const left of await this.#options.endpoint.left()) this.#owe(left, false);
    } catch {
      // The endpoint is gone: the next one tells.
    } finally {
      this.#asking -= 1;
      this.#wake();
    }
  }

  /** Another batch may go: what waits is bounded, and none waits that could not be kept. */
  room(): Promise<void> {
    return this.#until(() => this.#hasRoom());
  }

  /** All are in the journal and nothing waits for them. Rejects with `io` when one could not be kept. */
  async settled(): Promise<void> {
    await this.#until(() => this.#isIdle() || this.#failed.length > 0);
    if (this.#failed.length > 0 && this.#trouble !== null) throw this.#trouble;
  }

  /** The endpoint is gone, or soon will be. What has come goes on into the journal. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.#queue.length = 0;
    this.#failed = [];
    this.#wake();
  }

  #owe(owed: Owed, isFirst: boolean): void {
    const { held } = owed;
    if (held !== undefined) {
      if (this.#held.has(held)) return;
      this.#held.add(held);
    }
    if (!this.#options.keeps) this.#release(held);
    else if (isFirst) this.#begin(owed);
    else void this.#beginUnlessKept(owed);
  }

  async #beginUnlessKept(owed: Owed): Promise<void> {
    const { journal, side } = this.#options;
    this.#asking += 1;
    if (await journal.holds({ ...owed, side })) this.#release(owed.held);
    else this.#begin(owed);
    this.#asking -= 1;
    this.#wake();
  }

  #begin(owed: Owed): void {
    if (owed.held !== undefined && owed.data === undefined) {
      if (this.#closed) return;
      this.#queue.push(owed);
      this.#readNext();
    } else {
      void this.#keep(owed, owed.data ?? null);
    }
  }

  #readNext(): void {
    while (this.#reading < READ_AT_ONCE) {
      const owed = this.#queue.shift();
      if (owed?.held === undefined) return;
      this.#reading += 1;
      void this.#keep(owed, noMoreThan(this.#options.endpoint.readHeld(owed.held), owed)).then(() => {
        this.#reading -= 1;
        this.#readNext();
        this.#wake();
      });
    }
  }

  /** Never rejects. */
  async #keep(owed: Owed, bytes: Uint8Array | AsyncIterable<Uint8Array> | null): Promise<void> {
    const { journal, clock, side } = this.#options;
    const { path, before, after, held } = owed;
    const size = owed.data?.byteLength ?? 0;
    const entry = { at: clock.now(), side, path, before, after };
    this.#keeping += 1;
    this.#bytes += size;
    try {
      await journal.record(entry, bytes).catch((error: unknown) => {
        if (!(error instanceof ContentMoved)) throw error;
        return journal.record(entry, null); // Nobody has its bytes any more.
      });
      this.#release(held);
    } catch (error) {
      this.#fail(owed, error);
    } finally {
      this.#keeping -= 1;
      this.#bytes -= size;
      this.#wake();
    }
  }

  #fail(owed: Owed, error: unknown): void {
    if (this.#closed) return;
    // It is where it was: no memory is needed for it.
    this.#failed.push(owed.held === undefined ? owed : { ...owed, data: undefined });
    const text = error instanceof Error ? error.message : String(error);
    const what = `${owed.path}: its former content could not be kept in the journal: ${text}`;
    this.#say(
      new DrydockError('io', what, { hint: 'It waits where it is: see that the disk of this machine has room.' }),
    );
    if (this.#failed.length > 1) return;
    this.#cancelRetry = this.#options.clock.after(AGAIN, () => {
      for (const each of this.#failed.splice(0)) this.#begin(each);
    });
  }

  #release(held: string | undefined): void {
    if (held === undefined || this.#closed) return;
    this.#kept.push(held);
    this.#releasing += 1;
    void this.#releases
      .run()
      .catch(() => undefined) // Gone, and told by the next endpoint; or it lies there until then.
      .finally(() => {
        this.#releasing -= 1;
        this.#wake();
      });
  }

  async #releaseKept(): Promise<void> {
    const kept = this.#kept.splice(0);
    if (kept.length === 0) return;
    await this.#options.endpoint.release(kept);
    for (const held of kept) this.#held.delete(held);
  }

  #hasRoom(): boolean {
    const waiting = this.#asking + this.#queue.length + this.#reading + this.#failed.length;
    return this.#closed || (waiting === 0 && this.#bytes < MOST_BYTES);
  }

  #isIdle(): boolean {
    const waiting = this.#asking + this.#queue.length + this.#keeping + this.#failed.length;
    return waiting + this.#releasing === 0 || this.#closed;
  }

  #until(isOver: () => boolean): Promise<void> {
    if (isOver()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isOver, resolve }));
  }

  #wake(): void {
    if (this.#trouble !== null && this.#failed.length + this.#keeping === 0) this.#say(null);
    if (this.#waiters.length === 0) return;
    const over = this.#waiters.filter(({ isOver }) => isOver());
    this.#waiters = this.#waiters.filter((waiter) => !over.includes(waiter));
    for (const { resolve } of over) resolve();
  }

  #say(trouble: DrydockError | null): void {
    this.#trouble = trouble;
    this.#options.onChange();
  }
}

/** A side that sends more than it said is not believed. */
async function* noMoreThan(bytes: AsyncIterable<Uint8Array>, { path, before }: Owed): AsyncGenerator<Uint8Array> {
  let left = before.kind === 'file' ? before.size : 0;
  for await (const chunk of bytes) {
    left -= chunk.byteLength;
    if (left < 0) throw new ContentMoved(path);
    yield chunk;
  }
}
