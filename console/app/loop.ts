/** Holds the state: messages in, effects out, and news to the screen at a bounded rate. */
import type { Effect, Message } from './message.ts';
import type { State } from './state.ts';
import { nextTick } from './tick.ts';
import { update } from './update.ts';

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls once after `ms`; returns the way to cancel. */
  after(ms: number, run: () => void): () => void;
}

/** Between two pictures, in milliseconds: a repaint costs milliseconds of CPU, and 25 a second look smooth. */
const FRAME_MS = 40;

export class Loop {
  readonly #clock: Clock;
  readonly #run: (effect: Effect) => void;
  readonly #listeners = new Set<() => void>();
  #state: State;
  /** What the screen was last told. */
  #shown: State;
  #shownAt = 0;
  #cancelFrame: (() => void) | null = null;
  #tickAt = Infinity;
  #cancelTick: () => void = () => undefined;
  #closed = false;

  constructor(state: State, clock: Clock, run: (effect: Effect) => void) {
    this.#state = state;
    this.#shown = state;
    this.#clock = clock;
    this.#run = run;
    this.#scheduleTick();
  }

  /** The newest state. */
  get state(): State {
    return this.#state;
  }

  readonly dispatch = (message: Message): void => {
    if (this.#closed) return;
    const [state, effects] = update(this.#state, message, this.#clock.now());
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    if (message.type === 'size') this.#show();
    else this.#scheduleFrame();
    this.#scheduleTick();
  };

  /** For React: the state that the screen shows, and news of another. */
  readonly snapshot = (): State => this.#shown;
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  close(): void {
    this.#closed = true;
    this.#cancelFrame?.();
    this.#cancelTick();
  }

  #scheduleFrame(): void {
    // While a shell has the terminal there is nobody to draw for.
    if (this.#closed || this.#cancelFrame !== null || this.#state.shell?.open === true) return;
    const wait = this.#shownAt + FRAME_MS - this.#clock.now();
    if (wait <= 0) {
      this.#show();
      return;
    }
    this.#cancelFrame = this.#clock.after(wait, () => this.#show());
  }

  #show(): void {
    this.#cancelFrame?.();
    this.#cancelFrame = null;
    this.#shownAt = this.#clock.now();
    this.#shown = this.#state;
    for (const listener of this.#listeners) listener();
  }

  #scheduleTick(): void {
    const wait = nextTick(this.#state);
    const at = wait === null ? Infinity : this.#clock.now() + wait;
    if (this.#closed || at >= this.#tickAt) return;
    this.#cancelTick();
    this.#tickAt = at;
    this.#cancelTick = this.#clock.after(at - this.#clock.now(), () => {
      this.#tickAt = Infinity;
      this.dispatch({ type: 'tick' });
    });
  }
}
