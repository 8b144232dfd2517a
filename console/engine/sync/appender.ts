/** A file that only grows: written at once, made durable in groups. */
import { dirname } from 'node:path';
import type { Files, OpenFile } from './files.ts';
import { Grouped } from './grouped.ts';

export class Appender {
  readonly #out: OpenFile;
  #size: number;
  readonly #syncs = new Grouped(() => this.#out.sync());

  private constructor(out: OpenFile, size: number) {
    this.#out = out;
    this.#size = size;
  }

  /** Opens at `size`, cutting off what lies beyond; makes an empty file where there is none. */
  static open(files: Files, file: string, size: number): Appender {
    const out = files.open(file, 'add');
    if (out.size > size) out.cut(size);
    // It may have come into being just now: what is synced in it counts only together with its name.
    if (size === 0) files.syncFolderNow(dirname(file));
    return new Appender(out, size);
  }

  /** A new file in the place of an old one: at every instant the old one whole, or the new one whole. */
  static replace(files: Files, file: string, content: Iterable<string>): Appender {
    const next = `${file}.new`;
    const out = files.open(next, 'anew');
    let size = 0;
    try {
      for (const text of content) {
        const data = Buffer.from(text);
        out.write(data);
        size += data.length;
      }
      out.syncNow();
      files.rename(next, file);
    } catch (error) {
      out.close();
      files.remove(next); // on a full disk every byte counts
      throw error;
    }
    files.syncFolderNow(dirname(file));
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
    return this.#syncs.run();
  }

  async close(): Promise<void> {
    await this.durable();
    this.#out.close();
  }
}
