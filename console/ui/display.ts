/** The terminal's output, for Ink and for a shell; once the terminal has gone away, nothing is written to it any more. */
import { Writable } from 'node:stream';
import type { Size } from '../app/state.ts';

export class Display extends Writable {
  readonly isTTY = true;
  readonly #stdout: NodeJS.WriteStream;
  #gone = false;
  #resized: () => void = () => undefined;

  constructor(stdout: NodeJS.WriteStream) {
    super({ decodeStrings: false });
    this.#stdout = stdout;
  }

  /** A terminal that does not know its size, as one on a serial line, says 0; then it is taken for the usual one. */
  get size(): Size {
    const { columns, rows } = this.#stdout;
    return columns > 0 && rows > 0 ? { columns, rows } : { columns: 80, rows: 24 };
  }

  get columns(): number {
    return this.size.columns;
  }

  get rows(): number {
    return this.size.rows;
  }

  /** `resized` is called before Ink hears of a new size, `gone` when the terminal has gone away. */
  open(resized: () => void, gone: () => void): void {
    this.#resized = resized;
    this.#stdout.on('resize', this.#onResize).on('error', gone);
  }

  /** The terminal has gone away: a write would be an error. */
  abandon(): void {
    this.#gone = true;
  }

  close(gone: () => void): void {
    this.#stdout.off('resize', this.#onResize);
    // What was written into the void may still come back as an error.
    if (!this.#gone) this.#stdout.off('error', gone);
  }

  override _write(chunk: string | Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    // A failed write is heard of as the error of the terminal itself.
    if (this.#gone) done();
    else this.#stdout.write(chunk, () => done());
  }

  readonly #onResize = (): void => {
    this.#resized();
    // React draws for the new size in a microtask; Ink would lay out the old picture in it.
    setImmediate(() => this.emit('resize'));
  };
}
