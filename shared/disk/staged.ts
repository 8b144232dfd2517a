/** A file made ready in the staging folder. */
import { closeSync, constants, openSync } from 'node:fs';
import type { Folder } from './walk.ts';

export class Staged {
  /** In the staging folder. */
  readonly name: string;
  readonly #stage: Folder;
  #fd: number | null;

  /** Takes over the open descriptor. */
  constructor(stage: Folder, name: string, fd: number) {
    this.#stage = stage;
    this.name = name;
    this.#fd = fd;
  }

  /** Opened again where it was closed. Throws as open does. */
  get fd(): number {
    this.#fd ??= openSync(this.#stage.at(this.name), constants.O_RDWR | constants.O_NOFOLLOW);
    return this.#fd;
  }

  /** Until the descriptor is asked for again. */
  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
