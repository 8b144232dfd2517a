/** A file that only grows: written at once, made durable in groups. */
import { closeSync, fdatasync, fstatSync, ftruncateSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

export class Appender {
  #fd: number;
  #size: number;
  /** Resolves the callers that wait for what was written before the sync that runs now, and before the next one. */
  #syncing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
  }

  /** Opens at `size`, cutting off what lies beyond; makes an empty file where there is none. */
  static open(file: string, size: number): Appender {
    const fd = openSync(file, 'a', 0o600);
    if (fstatSync(fd).size > size) ftruncateSync(fd, size);
    return new Appender(fd, size);
  }

  /** A new file in the place of an old one: at every instant the old one whole, or the new one whole. */
  static replace(file: string, content: Iterable<string>): Appender {
    const next = `${file}.new`;
    const fd = openSync(next, 'w', 0o600);
    let size = 0;
    for (const text of content) size += writeAll(fd, Buffer.from(text));
    fsyncSync(fd);
    renameSync(next, file);
    syncFolder(dirname(file));
    return new Appender(fd, size);
  }

  get size(): number {
    return this.#size;
  }

  /** Survives the end of this process at once, and a power cut after `durable`. Throws when the disk is full. */
  append(text: string): void {
    try {
      this.#size += writeAll(this.#fd, Buffer.from(text));
    } catch (error) {
      // Half a line would hide every later one.
      ftruncateSync(this.#fd, this.#size);
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
    closeSync(this.#fd);
  }

  #sync(): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    }).finally(() => {
      if (this.#syncing === done) this.#syncing = null;
    });
    return done;
  }
}

export function syncFolder(folder: string): void {
  // Windows opens no folders; its journal keeps names.
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, data: Uint8Array): number {
  for (let at = 0; at < data.length;) at += writeSync(fd, data, at);
  return data.length;
}
