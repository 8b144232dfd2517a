/** The files in which sync keeps its state: those of this machine, or virtual ones that forget what was not synced. */
import {
  closeSync,
  createReadStream,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { mkdir, open, readFile, readdir, realpath, rm } from 'node:fs/promises';
import { takeLock } from './lock.ts';

export interface OpenFile {
  readonly size: number;
  /** At the end, whole. Survives this process at once, and a power cut after `sync`. Throws when the disk is full. */
  write(data: Uint8Array): void;
  cut(size: number): void;
  /** What was written so far is on the disk. */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

export interface Files {
  /** Null when there is none. */
  read(file: string): Promise<Buffer | null>;
  stream(file: string): AsyncIterable<Uint8Array>;
  names(folder: string): Promise<string[]>;
  makeFolder(folder: string): Promise<void>;
  /** `add` keeps what is there, `anew` does not. */
  open(file: string, how: 'add' | 'anew'): OpenFile;
  /** A new file, synced; none is left when the chunks or the disk fail. */
  save(file: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** Over what stands there. */
  rename(from: string, to: string): void;
  remove(file: string): void;
  /** Names that came, went or changed in the folder are on the disk. */
  syncFolder(folder: string): Promise<void>;
  syncFolderNow(folder: string): void;
  /** The folder's one name, however it was reached; as given where there is none. */
  real(folder: string): Promise<string>;
  /** Returns the way to let go. Throws DrydockError `taken`. */
  lock(file: string, what: string): () => void;
}

export const diskFiles: Files = {
  read: (file) => readFile(file).catch(nullIfAbsent),
  stream: (file) => createReadStream(file) as AsyncIterable<Uint8Array>,
  names: (folder) => readdir(folder),
  makeFolder: async (folder) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  },
  open: (file, how) => new DiskFile(openSync(file, how === 'add' ? 'a' : 'w', 0o600)),
  save: async (file, chunks) => {
    const out = await open(file, 'wx', 0o600);
    try {
      for await (const chunk of chunks) await out.writeFile(chunk);
      await out.datasync();
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      await out.close();
    }
  },
  rename: renameSync,
  remove: (file) => rmSync(file, { force: true }),
  syncFolder: async (folder) => {
    if (process.platform === 'win32') return;
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  syncFolderNow: (folder) => {
    // Windows opens no folders; its journal keeps names.
    if (process.platform === 'win32') return;
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  real: (folder) => realpath(folder).catch(() => folder),
  lock: takeLock,
};

class DiskFile implements OpenFile {
  readonly size: number;
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
    this.size = fstatSync(fd).size;
  }

  write(data: Uint8Array): void {
    for (let at = 0; at < data.length;) at += writeSync(this.#fd, data, at);
  }

  cut(size: number): void {
    ftruncateSync(this.#fd, size);
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  syncNow(): void {
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function nullIfAbsent(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
  throw error;
}
