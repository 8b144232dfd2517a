/** The view as it is now, published at once after a pause and then at most 30 times a second. */
import type { View } from './view.ts';

const FRAME_MS = 33;

export class ViewStore {
  #view: View;
  readonly #listeners = new Set<(view: View) => void>();
  #timer: NodeJS.Timeout | null = null;
  #dirty = false;

  constructor(view: View) {
    this.#view = view;
  }

  get view(): View {
    return this.#view;
  }

  update(part: Partial<View>): void {
    this.#view = { ...this.#view, ...part };
    if (this.#timer === null) this.#publish();
    else this.#dirty = true;
  }

  subscribe(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#dirty) for (const listener of this.#listeners) listener(this.#view);
    this.#listeners.clear();
  }

  #publish(): void {
    this.#dirty = false;
    for (const listener of this.#listeners) listener(this.#view);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#dirty) this.#publish();
    }, FRAME_MS);
    this.#timer.unref();
  }
}
