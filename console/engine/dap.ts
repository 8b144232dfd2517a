/**
 * What a debug adapter says, on its way to the editor (Debug Adapter Protocol, base protocol: `Content-Length: N`, an empty
 * line, N bytes of JSON). debugpy lets only an editor that listens restart by itself (adapter/clients.py), and one that
 * connects would lose its session with each worker.
 */
import { Transform, type TransformCallback } from 'node:stream';

/** Bytes; debugpy's are far below. */
const MAX_MESSAGE = 32 * 1024 * 1024;
const END = Buffer.from('\r\n\r\n');

export interface AdapterListener {
  /** Whether the debuggee that has ended is followed by another one. */
  readonly isFollowed: () => Promise<boolean>;
  /** All of its threads stand, or go on. */
  readonly onStopped: (reason: string | null) => void;
}

export class AdapterMessages extends Transform {
  readonly #listener: AdapterListener;
  #rest: Buffer = Buffer.alloc(0);
  /** Something else is spoken: it goes through as it is. */
  #foreign = false;

  constructor(listener: AdapterListener) {
    super();
    this.#listener = listener;
  }

  override _transform(data: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    this.#take().then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _flush(done: TransformCallback): void {
    this.#listener.onStopped(null);
    done(null, this.#rest);
  }

  async #take(): Promise<void> {
    while (!this.#foreign) {
      const at = this.#rest.indexOf(END);
      if (at < 0) break;
      const length = Number(/^Content-Length: (\d+)/im.exec(this.#rest.subarray(0, at).toString('latin1'))?.[1] ?? NaN);
      this.#foreign = !(length <= MAX_MESSAGE);
      const end = at + END.length + length;
      if (this.#foreign || this.#rest.length < end) break;
      const whole = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      this.push(await this.#seen(whole, whole.subarray(at + END.length)));
    }
    if (!this.#foreign) return;
    this.push(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  async #seen(whole: Buffer, body: Buffer): Promise<Buffer> {
    if (!body.includes('"event"')) return whole;
    const message = parse(body);
    if (message?.['type'] !== 'event') return whole;
    const told = message['body'];
    switch (message['event']) {
      case 'stopped':
        this.#listener.onStopped(
          typeof told === 'object' && told !== null && 'reason' in told ? String(told.reason) : '',
        );
        return whole;
      case 'continued':
        this.#listener.onStopped(null);
        return whole;
      case 'terminated':
        return (await this.#listener.isFollowed()) ? framed({ ...message, body: { restart: true } }) : whole;
      default:
        return whole;
    }
  }
}

function parse(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function framed(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]);
}
