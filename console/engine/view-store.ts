/**
 * The view as it is now, published at once after a pause and then at most 30 times a second. What is costly to make, and
 * changes with every edit, is made only when it is published, and in a turn of its own: an edit never waits for it.
 */
import type { View } from './view.ts';

const FRAME_MS = 33;

export class ViewStore {
  #view: View;
  readonly #make: () => Partial<View>;
  readonly #listeners = new Set<(view: View) => void>();
  #timer: NodeJS.Timeout | null = null;
  #soon: NodeJS.Immediate | null = null;
  #dirty = false;
  #stale = false;

  /** `make` makes the costly part. */
  constructor(view: View, make: () => Partial<View>) {
    this.#view = view;
    this.#make = make;
  }

  /** As of the last time that it was published, where it is costly. */
  get view(): View {
    return this.#view;
  }

  update(part: Partial<View>): void {
    this.#view = { ...this.#view, ...part };
    if (this.#timer === null) this.publish();
    else this.#dirty = true;
  }

  /** The costly part is to be made anew. */
  touch(): void {
    this.#stale = true;
    if (this.#timer === null) this.#soon ??= setImmediate(() => this.publish());
    else this.#dirty = true;
  }

  subscribe(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Now, whole. */
  publish(): void {
    if (this.#soon !== null) clearImmediate(this.#soon);
    this.#soon = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dirty = false;
    if (this.#stale) {
      this.#stale = false;
      this.#view = { ...this.#view, ...this.#make() };
    }
    for (const listener of this.#listeners) listener(this.#view);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#dirty) this.publish();
    }, FRAME_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#dirty || this.#stale) this.publish();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#listeners.clear();
  }
}
