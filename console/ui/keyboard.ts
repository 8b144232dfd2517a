/**
 * The one owner of the terminal's input. It is in raw mode for as long as the console runs; its bytes go to Ink, or,
 * untouched, to a shell. So no key is lost or echoed while the terminal changes hands.
 */
import { PassThrough } from 'node:stream';

export class Keyboard {
  /** What Ink reads. */
  readonly stream = new InkInput();
  readonly #stdin: NodeJS.ReadStream;
  #divert: ((bytes: Buffer) => void) | null = null;
  #held = '';

  constructor(stdin: NodeJS.ReadStream) {
    this.#stdin = stdin;
  }

  /** `gone` is called when the terminal has gone away. */
  open(gone: () => void): void {
    this.#stdin.setRawMode(true);
    this.#stdin.on('data', this.#onData);
    this.#stdin.on('end', gone);
    this.#stdin.on('error', gone);
  }

  /** From now on bytes go to `sink`; the returned function gives them back to Ink. */
  divert(sink: (bytes: Buffer) => void): () => void {
    this.#divert = sink;
    if (this.#held !== '') sink(Buffer.from(this.#held));
    this.#held = '';
    return () => {
      this.#divert = null;
    };
  }

  /** Keeps `text` for whoever diverts the bytes. */
  readonly hold = (text: string): void => {
    if (this.#divert === null) this.#held += text;
    else this.#divert(Buffer.from(text));
  };

  close(): void {
    this.#stdin.off('data', this.#onData);
    this.#stdin.pause();
    // Throws where the terminal is gone; then there is no mode to give back.
    if (!this.#stdin.destroyed && this.#stdin.isTTY) this.#stdin.setRawMode(false);
    this.#stdin.unref();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#divert === null) this.stream.write(bytes);
    else this.#divert(bytes);
  };
}

/** A terminal as Ink wants it, whose raw mode is not Ink's business. */
class InkInput extends PassThrough {
  readonly isTTY = true;

  setRawMode(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
