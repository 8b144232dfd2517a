/** Tells whenever what lies in `azureml-models` differs. Hints say when to look; what mounts do not hint is looked for. */
import { watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { MODELS, type ModelList } from '../../shared/core/models.ts';
import { codeOf } from '../../shared/disk/errno.ts';
import { listModels, modelsFolder } from './list.ts';

/** Milliseconds after a hint, since what comes comes with more. */
const SETTLE = 100;
/** Between two looks that nothing asked for: this, or so many times as long as one takes. Milliseconds. */
const IDLE = 10_000;
const SHARE = 250;
/** While hints come, as a large file is being written. */
const BUSY_SHARE = 20;
/** Folders that are watched; the others are looked at now and then. */
const MAX_WATCHES = 500;

export class ModelWatch {
  readonly #root: () => string;
  readonly #tell: (list: ModelList) => void;
  readonly #watches = new Map<string, FSWatcher>();
  #told: string;
  #timer: NodeJS.Timeout;
  #due = 0;
  #cost = 0;
  #lookedAt = 0;
  #closed = false;

  /** `list` is what is known already. */
  constructor(root: () => string, list: ModelList, tell: (list: ModelList) => void) {
    this.#root = root;
    this.#tell = tell;
    this.#told = JSON.stringify(list);
    this.#cover(list);
    // At once again: what came between the list and the watches.
    this.#due = performance.now();
    this.#timer = setTimeout(() => void this.#look(), 0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watcher of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }

  #hint(): void {
    this.#in(Math.max(SETTLE, this.#lookedAt + BUSY_SHARE * this.#cost - performance.now()));
  }

  /** The sooner of two looks counts. */
  #in(ms: number): void {
    const due = performance.now() + ms;
    if (this.#closed || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    const from = performance.now();
    this.#due = Infinity;
    const list = await listModels(modelsFolder(this.#root()));
    if (this.#closed) return;
    this.#lookedAt = performance.now();
    this.#cost = this.#lookedAt - from;
    this.#cover(list);
    const text = JSON.stringify(list);
    if (text !== this.#told) {
      this.#told = text;
      this.#tell(list);
    }
    this.#in(Math.max(IDLE, SHARE * this.#cost));
  }

  #cover({ folder, entries }: ModelList): void {
    const wanted = new Set<string>();
    if (folder !== null) {
      wanted.add(dirname(folder)).add(folder);
      for (const { kind, path } of entries) {
        if (kind === 'dir' && wanted.size < MAX_WATCHES) wanted.add(join(folder, path));
      }
    }
    for (const [path, watcher] of this.#watches) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watches.delete(path);
    }
    for (const path of wanted) {
      if (!this.#watches.has(path)) this.#watch(path, folder !== null && path === dirname(folder));
    }
  }

  #watch(path: string, isAbove: boolean): void {
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (!isAbove || name === MODELS) this.#hint();
      });
      watcher.on('error', () => this.#forget(path));
      // A folder that comes again under its name is another one: it is watched anew.
      watcher.on('close', () => this.#watches.delete(path));
      this.#watches.set(path, watcher);
    } catch (error) {
      if (codeOf(error) === '') throw error; // gone, or no more watches: it is looked at now and then
    }
  }

  #forget(path: string): void {
    this.#watches.get(path)?.close();
    this.#watches.delete(path);
    this.#hint();
  }
}
