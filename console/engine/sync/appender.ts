/** A file that only grows: written at once, made durable in groups. */
import { dirname } from 'node:path';
import type { Files, OpenFile } from './files.ts';

export class Appender {
  readonly #out: OpenFile;
  #size: number;
  /** Resolves the callers that wait for what was written before the sync that runs now, and before the next one. */
  #syncing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  private constructor(out: OpenFile, size: number) {
    this.#out = out;
    this.#size = size;
  }

  /** Opens at `size`, cutting off what lies beyond; makes an empty file where there is none. */
  static open(files: Files, file: string, size: number): Appender {
    const out = files.open(file, 'add');
    if (out.size > size) out.cut(size);
    // It may have come into being just now: what is synced in it counts only together with its name.
    if (size === 0) files.syncFolder(dirname(file));
    return new Appender(out, size);
  }

  /** A new file in the place of an old one: at every instant the old one whole, or the new one whole. */
  static replace(files: Files, file: string, content: Iterable<string>): Appender {
    const next = `${file}.new`;
    const out = files.open(next, 'anew');
    let size = 0;
    for (const text of content) {
      const data = Buffer.from(text);
      out.write(data);
      size += data.length;
    }
    out.syncNow();
    files.rename(next, file);
    files.syncFolder(dirname(file));
    return new Appender(out, size);
  }

  get size(): number {
    return this.#size;
  }

  /** Survives the end of this process at once, and a power cut after `durable`. Throws when the disk is full. */
  append(text: string): void {
    const data = Buffer.from(text);
    try {
      this.#out.write(data);
      this.#size += data.length;
    } catch (error) {
      // Half a line would hide every later one.
      this.#out.cut(this.#size);
      throw error;
    }
  }

  /** Everything appended so far is on the disk. One sync serves all who wait. */
  durable(): Promise<void> {
    if (this.#syncing === null) {
      this.#syncing = this.#sync();
      return this.#syncing;
    }
    this.#next ??= this.#syncing
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        this.#syncing = this.#sync();
        return this.#syncing;
      });
    return this.#next;
  }

  async close(): Promise<void> {
    await this.durable();
    this.#out.close();
  }

  #sync(): Promise<void> {
    const done = this.#out.sync().finally(() => {
      if (this.#syncing === done) this.#syncing = null;
    });
    return done;
  }
}
