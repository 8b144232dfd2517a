/** A running watch: hints lead to looks, looks to batches of news, and a slow look at everything finds what no hint told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Observation } from '../core/sync/endpoint.ts';
import type { HintSource, OpenHints } from './hints/source.ts';
import { pathOf } from './known.ts';
import type { SeenDir, Sink } from './known.ts';
import type { Looker } from './look.ts';
import type { Folder } from './walk.ts';
import { briskPacer, slowPacer } from './pacer.ts';
import { receiveHints } from './watch.ts';
import type { HintReceiver } from './watch.ts';

/** The look at everything works so many milliseconds, then rests so many times as long: 0.1 % of a core, 200 s for 20,000 files. */
const SLICE = 1;
const REST_TIMES = 1_000;
/** Milliseconds between two of them at least. */
const PAUSE = 30_000;
/** A hint comes in one turn of the event loop and is followed in the next. */
const HINT_TURNS = 3;
const POLL = 1000;
const POLL_RATIO = 20;

export class Watching implements Sink {
  readonly data = true;
  readonly lost: (reason: string) => void;
  readonly #looker: Looker;
  readonly #receiver: HintReceiver;
  readonly #onChange: (batch: readonly Observation[]) => void;
  readonly #ended = new AbortController();
  /** Folders that no source watches. */
  readonly #uncovered = new Set<SeenDir>();
  readonly #pause: number;
  #someUncovered = Promise.withResolvers<undefined>();
  #source: HintSource | null = null;
  #batch: Observation[] = [];
  /** Everything was looked at when the watch began, and since then every change is hinted. */
  #complete = false;
  #rounds: Promise<unknown> = Promise.resolve();

  constructor(
    looker: Looker,
    onChange: (batch: readonly Observation[]) => void,
    onLost: (reason: string) => void,
    pause = PAUSE,
  ) {
    this.#looker = looker;
    this.#pause = pause;
    this.#onChange = onChange;
    this.lost = (reason) => {
      this.#complete = false;
      if (!this.#ended.signal.aborted) onLost(reason);
    };
    this.#receiver = receiveHints((paths) => looker.visit(paths), this.lost);
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

  /** Covers every folder; what changed since the last scan is told to `sink`. */
  async start(open: OpenHints, sink: Sink): Promise<void> {
    this.#source = await open(this.#receiver);
    this.#complete = true;
    if (!(await this.#looker.all(sink, briskPacer()))) this.#complete = false;
    this.#rounds = Promise.all([this.#goRound(), this.#poll()]);
  }

  /** Resolves to true, once, when what is known is as good as another look at everything. */
  async takeLook(): Promise<boolean> {
    // What the system has hinted until now is looked at in these turns.
    for (let turn = 0; turn < HINT_TURNS; turn++) await new Promise((next) => setImmediate(next));
    const complete = this.#complete && this.#uncovered.size === 0;
    this.#complete = false;
    return complete;
  }

  cover(folder: Folder, dir: SeenDir): (() => void) | null {
    if (this.#source === null) return null;
    const uncover = this.#source.cover(folder, dir);
    if (uncover === null) {
      this.#uncovered.add(dir);
      this.#someUncovered.resolve(undefined);
    } else {
      this.#uncovered.delete(dir);
    }
    return uncover;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#someUncovered.resolve(undefined);
    this.#receiver.close();
    this.#looker.uncover();
    await this.#source?.close();
    await this.#rounds;
  }

  #deliver(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (!this.#ended.signal.aborted) this.#onChange(batch);
  }

  #goRound(): Promise<void> {
    return this.#forever(async (signal) => {
      await sleep(this.#pause, undefined, { signal, ref: false });
      // Nothing hints at a mount that came over the root, or went.
      if (!(await this.#looker.all(this, slowPacer(SLICE, REST_TIMES, signal)))) this.lost('the folder is gone');
    });
  }

  /** Looks at folders that are not watched every second, or so seldom that it takes no more than a twentieth of a core. */
  #poll(): Promise<void> {
    let took = 0;
    return this.#forever(async (signal) => {
      await this.#someUncovered.promise;
      await sleep(Math.max(POLL, took * POLL_RATIO), undefined, { signal, ref: false });
      const started = performance.now();
      for (const dir of this.#uncovered) if (!dir.attached) this.#uncovered.delete(dir);
      if (this.#uncovered.size === 0) this.#someUncovered = Promise.withResolvers();
      else await this.#looker.relist([...this.#uncovered].map(pathOf));
      took = performance.now() - started;
    });
  }

  async #forever(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#ended;
    try {
      for (;;) await work(signal);
    } catch (error) {
      if (!signal.aborted) this.lost(`the look at everything failed: ${String(error)}`);
    }
  }
}
