/** One of the many streams that share a link: a Duplex under credit, so that no stream can fill the link or the memory. */
import { Duplex } from 'node:stream';
import { DrydockError, type ErrorInfo } from '../core/errors.ts';
import { MAX_CHUNK, STREAM_WINDOW } from '../core/protocol.ts';
import { violation } from './frames.ts';

export interface MuxWire {
  chunk(data: Uint8Array): void;
  end(): void;
  close(value: unknown, error: ErrorInfo | undefined): void;
  grant(bytes: number): void;
  control(value: unknown): void;
}

export class MuxStream extends Duplex {
  readonly kind: string;
  /** The last word of the other side: an exit code, or `undefined`. Rejects when the stream broke. */
  readonly last: Promise<unknown>;
  readonly #wire: MuxWire;
  readonly #settleLast: { resolve: (value: unknown) => void; reject: (error: unknown) => void };
  #credit = STREAM_WINDOW;
  #waiting: (() => void) | null = null;
  /** Bytes that the peer may still send. */
  #window = STREAM_WINDOW;
  readonly #incoming: Uint8Array[] = [];
  #incomingEnded = false;
  #hungry = false;
  #closeSent = false;
  #onControl: ((value: unknown) => void) | null = null;

  constructor(kind: string, wire: MuxWire) {
    // A reader that comes to the end must not cut off the last word, nor the writer: `close` alone destroys.
    super({ autoDestroy: false, readableHighWaterMark: MAX_CHUNK, writableHighWaterMark: MAX_CHUNK });
    this.kind = kind;
    this.#wire = wire;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.last = promise;
    this.last.catch(() => undefined); // it may have no listener; the stream's own error event tells as well
    this.#settleLast = { resolve, reject };
  }

  /** A word beside the bytes: a shell's new size. */
  control(value: unknown): void {
    if (!this.#closeSent) this.#wire.control(value);
  }

  onControl(listener: (value: unknown) => void): void {
    this.#onControl = listener;
  }

  /** Sends what was written, then the last word, and ends both directions. */
  finish(value: unknown): void {
    this.end(() => {
      this.#sendClose(value, undefined);
      this.destroy();
    });
  }

  // What the peer says ------------------------------------------------------------------------------------------------

  receive(data: Uint8Array): void {
    if (this.#incomingEnded) throw violation('bytes after the end of a stream');
    this.#window -= data.byteLength;
    if (this.#window < 0) throw violation('more bytes on a stream than were granted');
    this.#incoming.push(data);
    this.#flow();
  }

  receiveEnd(): void {
    this.#incomingEnded = true;
    this.#flow();
  }

  receiveGrant(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > STREAM_WINDOW) throw violation('more granted on a stream than was sent');
    this.#release();
  }

  receiveControl(value: unknown): void {
    this.#onControl?.(value);
  }

  receiveClose(value: unknown, error: ErrorInfo | undefined): void {
    this.#closeSent = true; // nothing is said on a stream that is closed
    if (error !== undefined) {
      this.destroy(DrydockError.fromInfo(error));
    } else if (this.#incomingEnded) {
      // A graceful end: what has not been read yet stays readable, and then the stream goes.
      this.#settleLast.resolve(value);
      this.#release();
      if (this.readableEnded) this.destroy();
      else this.once('end', () => this.destroy());
    } else {
      this.destroy(); // the peer dropped it
    }
  }

  // Duplex ------------------------------------------------------------------------------------------------------------

  override _read(): void {
    this.#hungry = true;
    this.#flow();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#push(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#closeSent) this.#wire.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error === null) {
      this.#sendClose(undefined, undefined);
      this.#settleLast.resolve(undefined);
    } else {
      this.#sendClose(
        undefined,
        error instanceof DrydockError ? error.toInfo() : { code: 'io', message: error.message },
      );
      this.#settleLast.reject(error);
    }
    this.#release();
    done(error);
  }

  /** A writer that waits for credit goes on; on a stream that is over its bytes go nowhere. */
  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }

  #push(chunk: Uint8Array, done: (error?: Error | null) => void): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.destroyed || this.#closeSent) break;
      if (this.#credit === 0) {
        this.#waiting = () => this.#push(chunk.subarray(at), done);
        return;
      }
      const size = Math.min(MAX_CHUNK, this.#credit, chunk.byteLength - at);
      this.#credit -= size;
      this.#wire.chunk(chunk.subarray(at, at + size));
      at += size;
    }
    done();
  }

  #flow(): void {
    while (this.#hungry && this.#incoming.length > 0) {
      const data = this.#incoming.shift();
      if (data === undefined) break;
      this.#window += data.byteLength;
      if (!this.#closeSent) this.#wire.grant(data.byteLength);
      this.#hungry = this.push(data);
    }
    if (this.#incomingEnded && this.#incoming.length === 0 && !this.readableEnded) this.push(null);
  }

  #sendClose(value: unknown, error: ErrorInfo | undefined): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#wire.close(value, error);
  }
}
