/** A running watch: hints lead to looks, looks to batches of news, and a slow look at everything finds what no hint told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Observation } from '../core/sync/endpoint.ts';
import { watchFolders } from './hints/folders.ts';
import type { HintSource } from './hints/source.ts';
import type { Sink } from './known.ts';
import type { Looker } from './look.ts';
import { briskPacer, slowPacer } from './pacer.ts';
import { receiveHints } from './watch.ts';
import type { HintReceiver } from './watch.ts';

/** The look at everything works so many milliseconds, then rests: 0.4 % of a core. */
const SLICE = 1;
const REST = 250;
/** Milliseconds between two of them at least. */
const PAUSE = 30_000;

export class Watching implements Sink {
  readonly data = true;
  readonly source: HintSource;
  readonly lost: (reason: string) => void;
  readonly #looker: Looker;
  readonly #receiver: HintReceiver;
  readonly #onChange: (batch: readonly Observation[]) => void;
  readonly #ended = new AbortController();
  #batch: Observation[] = [];
  #rounds: Promise<void> = Promise.resolve();

  constructor(looker: Looker, onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void) {
    this.#looker = looker;
    this.#onChange = onChange;
    this.lost = (reason) => {
      if (!this.#ended.signal.aborted) onLost(reason);
    };
    this.#receiver = receiveHints((paths) => looker.visit(paths), this.lost);
    this.source = watchFolders(this.#receiver);
  }

  /**
   * What one look finds is told together, as soon as it is over. A folder that was found with it is waited for a turn,
   * so that a move is told as one: gone here, come there.
   */
  tell(news: Observation): void {
    if (this.#batch.length === 0) {
      queueMicrotask(() => {
        if (this.#looker.isListing) setImmediate(() => this.#deliver());
        else this.#deliver();
      });
    }
    this.#batch.push(news);
  }

  /** Covers every folder; what changed since the last scan is told. */
  async start(sink: Sink): Promise<void> {
    await this.#looker.all(sink, briskPacer());
    this.#rounds = this.#goRound();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#receiver.close();
    this.#looker.uncover();
    await this.source.close();
    await this.#rounds;
  }

  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (!this.#ended.signal.aborted) this.#onChange(batch);
  }

  async #goRound(): Promise<void> {
    const { signal } = this.#ended;
    try {
      for (;;) {
        await sleep(PAUSE, undefined, { signal, ref: false });
        await this.#looker.all(this, slowPacer(SLICE, REST, signal));
      }
    } catch (error) {
      if (!signal.aborted) this.lost(`the look at everything failed: ${String(error)}`);
    }
  }
}
