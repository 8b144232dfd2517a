/**
 * The engine's multiplexed stream: frames of an 8-byte header (stream, three zero bytes, big-endian length) and
 * that many bytes (Docker Engine API, "Attach to a container"). A container with a terminal sends raw bytes instead.
 */
import { PassThrough, Transform, type TransformCallback } from 'node:stream';
import { DrydockError } from '../../../shared/core/errors.ts';

export interface Frame {
  readonly stream: 'stdout' | 'stderr';
  /** Part of a frame, or all of it; a view of the chunk that was fed. */
  readonly data: Buffer;
}

/** Frames may be cut anywhere: payload passes on as it comes, only header bytes are kept. */
export class FrameReader {
  readonly #header = Buffer.alloc(8);
  #filled = 0;
  #left = 0;

  *read(chunk: Buffer): Generator<Frame> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const copied = chunk.copy(this.#header, this.#filled, at, at + 8 - this.#filled);
        at += copied;
        this.#filled += copied;
        if (this.#filled < 8) return;
        this.#left = this.#header.readUInt32BE(4);
        this.#filled = 0;
        if (this.#header.readUInt8(0) > 3) {
          throw new DrydockError('protocol-violation', 'The engine sent a stream that is not multiplexed.');
        }
      }
      const data = chunk.subarray(at, at + this.#left);
      at += data.length;
      this.#left -= data.length;
      // 3 is the engine's own error, in words.
      if (data.length > 0) yield { stream: this.#header.readUInt8(0) < 2 ? 'stdout' : 'stderr', data };
    }
  }

  /** True between frames: a stream that ends elsewhere was cut off. */
  get complete(): boolean {
    return this.#filled === 0 && this.#left === 0;
  }
}

/** Multiplexed in, stdout out, stderr beside it; each holds the source when nobody reads it. */
export class Demultiplexer extends Transform {
  readonly stderr = new PassThrough();
  readonly #frames = new FrameReader();

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (const { stream, data } of this.#frames.read(chunk)) {
        if (stream === 'stdout') this.push(data);
        else this.stderr.write(data);
      }
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.stderr.writableNeedDrain) this.stderr.once('drain', done);
    else done();
  }

  override _flush(done: TransformCallback): void {
    if (!this.#frames.complete) {
      done(new DrydockError('link-lost', 'The engine cut the stream off in the middle.'));
      return;
    }
    this.stderr.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // What came before the end may still be read.
    if (!this.stderr.writableEnded) this.stderr.destroy();
    done(error);
  }
}
