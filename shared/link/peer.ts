/**
 * One end of a link: typed calls, events and streams over one WebSocket. Both ends use it.
 *
 * Invariants: the first message each way is `hello`; after the link has closed every pending call and stream fails
 * with the same reason; whatever does not fit the schema closes the link.
 */
import type { WebSocket } from 'ws';
import { DrydockError, isErrorCode, type ErrorInfo } from '../core/errors.ts';
import {
  events,
  HEARTBEAT_MS,
  MAX_CALLS,
  MAX_FRAME,
  MAX_STREAMS,
  MAX_WAITING,
  methods,
  PROTOCOL_VERSION,
  streams,
  type EventName,
  type EventValue,
  type Message,
  type MethodName,
  type Params,
  type Result,
  type StreamKind,
  type StreamOpened,
  type StreamParams,
} from '../core/protocol.ts';
import { decodeFrame, encodeChunk, encodeMessage, violation } from './frames.ts';
import { MuxStream } from './mux-stream.ts';

export interface Answer<T> {
  readonly value: T;
  readonly attached: readonly Uint8Array[];
}

export interface Hello {
  readonly build: string;
  readonly role: 'control' | 'bulk' | 'agent';
  readonly session: string;
}

/** What one end serves. An end that serves nothing (the console's calls) leaves it out. */
export interface Service {
  call?<M extends MethodName>(
    method: M,
    params: Params<M>,
    attached: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<Result<M> | Answer<Result<M>>>;
  /** Resolves with the `opened` value, or rejects and the stream is closed with the error. */
  open?<K extends StreamKind>(kind: K, params: StreamParams<K>, stream: MuxStream): Promise<StreamOpened<K>>;
  event?<E extends EventName>(name: E, value: EventValue<E>, attached: readonly Uint8Array[]): void;
}

interface Pending {
  readonly method: MethodName;
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

interface Opening {
  readonly kind: StreamKind;
  readonly resolve: (opened: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class WithAttached<T> implements Answer<T> {
  readonly value: T;
  readonly attached: readonly Uint8Array[];
  constructor(value: T, attached: readonly Uint8Array[]) {
    this.value = value;
    this.attached = attached;
  }
}

export class Peer {
  /** Resolves with the reason once the link is over; never rejects. */
  readonly closed: Promise<DrydockError>;
  /** The other end's hello; rejects with version-mismatch or the reason of the close. */
  readonly hello: Promise<Hello>;
  readonly #socket: WebSocket;
  readonly #service: Service;
  readonly #pending = new Map<number, Pending>();
  readonly #serving = new Map<number, AbortController>();
  /** Bytes attached to the calls that are being served. */
  #servingBytes = 0;
  readonly #streams = new Map<number, MuxStream>();
  readonly #opening = new Map<number, Opening>();
  readonly #hello: { resolve: (hello: Hello) => void; reject: (error: unknown) => void };
  readonly #closed: (reason: DrydockError) => void;
  readonly #heart: NodeJS.Timeout;
  #helloSeen = false;
  #reason: DrydockError | null = null;
  #next = 1;
  #nextStream: number;
  #lastHeard = performance.now();
  #lastBeat = performance.now();
  #patient = false;

  constructor(socket: WebSocket, own: Hello, service: Service) {
    this.#socket = socket;
    this.#service = service;
    this.#nextStream = own.role === 'agent' ? 2 : 1;
    const hello = Promise.withResolvers<Hello>();
    hello.promise.catch(() => undefined); // `closed` tells the same to whoever does not wait for the hello
    this.hello = hello.promise;
    this.#hello = hello;
    const closed = Promise.withResolvers<DrydockError>();
    this.closed = closed.promise;
    this.#closed = closed.resolve;

    socket.binaryType = 'nodebuffer';
    socket.on('message', (data, binary) => this.#receive(toBuffer(data), binary));
    socket.on('close', () => this.close(lost('the connection ended')));
    socket.on('error', (error) => this.close(lost(error.message)));
    this.#send({ t: 'hello', protocol: PROTOCOL_VERSION, ...own });
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#heart.unref();
  }

  get isClosed(): boolean {
    return this.#reason !== null;
  }

  /** While the other side is known to be frozen (a paused container), silence is no reason to give it up. */
  setPatient(patient: boolean): void {
    this.#patient = patient;
    this.#lastHeard = performance.now();
  }

  async call<M extends MethodName>(
    method: M,
    params: Params<M>,
    options: { attached?: readonly Uint8Array[]; signal?: AbortSignal | undefined } = {},
  ): Promise<Answer<Result<M>>> {
    if (this.#reason !== null) throw this.#reason;
    options.signal?.throwIfAborted();
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer<unknown>>();
    this.#pending.set(id, { method, resolve, reject });
    const abort = () => {
      this.#send({ t: 'cancel', id });
      this.#pending.delete(id);
      reject(new DrydockError('cancelled', `${method} was cancelled.`));
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#send({ t: 'call', id, method, params }, options.attached);
      return (await promise) as Answer<Result<M>>;
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  emit<E extends EventName>(name: E, value: EventValue<E>, attached: readonly Uint8Array[] = []): void {
    if (this.#reason === null) this.#send({ t: 'event', name, value }, attached);
  }

  /** `signal`: the stream goes before it has opened; the other side finds it destroyed. */
  async open<K extends StreamKind>(
    kind: K,
    params: StreamParams<K>,
    signal?: AbortSignal,
  ): Promise<{ stream: MuxStream; opened: StreamOpened<K> }> {
    if (this.#reason !== null) throw this.#reason;
    signal?.throwIfAborted();
    const id = this.#nextStream;
    this.#nextStream += 2;
    const stream = this.#addStream(id, kind);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#opening.set(id, { kind, resolve, reject });
    const abort = () => {
      this.#opening.delete(id);
      stream.destroy();
      reject(new DrydockError('cancelled', `The stream ${kind} is no longer wanted.`));
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#send({ t: 'open', stream: id, kind, params });
      return { stream, opened: (await promise) as StreamOpened<K> };
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  close(reason: DrydockError): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    clearInterval(this.#heart);
    this.#socket.terminate();
    this.#hello.reject(reason);
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    for (const { reject } of this.#opening.values()) reject(reason);
    this.#opening.clear();
    for (const controller of this.#serving.values()) controller.abort(reason);
    for (const stream of this.#streams.values()) {
      stream.on('error', () => undefined); // a stream nobody listens to must not end the process
      stream.receiveClose(undefined, reason.toInfo());
    }
    this.#streams.clear();
    this.#closed(reason);
  }

  // Receiving ---------------------------------------------------------------------------------------------------------

  #receive(data: Buffer, binary: boolean): void {
    if (this.#reason !== null) return;
    this.#lastHeard = performance.now();
    try {
      const frame = decodeFrame(data, binary);
      if (frame.type === 'chunk') this.#streams.get(frame.stream)?.receive(frame.data);
      else this.#handle(frame.message, frame.attached);
    } catch (error) {
      this.close(error instanceof DrydockError ? error : violation(String(error)));
    }
  }

  #handle(message: Message, attached: readonly Uint8Array[]): void {
    if (!this.#helloSeen && message.t !== 'hello') throw violation(`${message.t} before hello`);
    switch (message.t) {
      case 'hello':
        return this.#greet(message);
      case 'call':
        return this.#serve(message.id, message.method, message.params, attached);
      case 'result':
        return this.#settle(message.id, message.value, attached);
      case 'error': {
        const pending = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        pending?.reject(asError(message.error));
        return;
      }
      case 'cancel':
        this.#serving.get(message.id)?.abort(new DrydockError('cancelled', 'Cancelled by the console.'));
        return;
      case 'event':
        return this.#hear(message.name, message.value, attached);
      case 'open':
        return this.#accept(message.stream, message.kind, message.params);
      case 'opened':
        return this.#opened(message.stream, message.value);
      case 'end':
        this.#streams.get(message.stream)?.receiveEnd();
        return;
      case 'close':
        return this.#closeStream(message.stream, message.value, message.error);
      case 'window':
        this.#streams.get(message.stream)?.receiveGrant(message.bytes);
        return;
      case 'control':
        this.#streams.get(message.stream)?.receiveControl(message.value);
        return;
      case 'ping':
        return this.#send({ t: 'pong', n: message.n });
      case 'pong':
        return;
    }
  }

  #greet(message: Extract<Message, { t: 'hello' }>): void {
    if (this.#helloSeen) throw violation('a second hello');
    this.#helloSeen = true;
    if (message.protocol !== PROTOCOL_VERSION) {
      throw new DrydockError(
        'version-mismatch',
        `The other end speaks protocol ${message.protocol}, this one ${PROTOCOL_VERSION}.`,
        { hint: 'Run `drydock detach` with the old version, then attach again.' },
      );
    }
    this.#hello.resolve({ build: message.build, role: message.role, session: message.session });
  }

  #serve(id: number, name: string, params: unknown, attached: readonly Uint8Array[]): void {
    if (!Object.hasOwn(methods, name) || this.#service.call === undefined) throw violation(`a call of ${name}`);
    const method = name as MethodName;
    const parsed = methods[method].params.safeParse(params);
    if (!parsed.success) throw violation(`parameters of ${name}: ${parsed.error.issues[0]?.message ?? ''}`);
    const bytes = attached.reduce((sum, each) => sum + each.byteLength, 0);
    if (this.#serving.has(id)) throw violation(`a second call of number ${id}`);
    if (this.#serving.size >= MAX_CALLS || this.#servingBytes + bytes > MAX_WAITING) throw violation('too many calls');
    const controller = new AbortController();
    this.#serving.set(id, controller);
    this.#servingBytes += bytes;
    this.#service
      .call(method, parsed.data as Params<MethodName>, attached, controller.signal)
      .then((value) => {
        if (value instanceof WithAttached) this.#send({ t: 'result', id, value: value.value }, value.attached);
        else this.#send({ t: 'result', id, value });
      })
      .catch((error: unknown) => this.#send({ t: 'error', id, error: toInfo(error) }))
      .finally(() => {
        this.#serving.delete(id);
        this.#servingBytes -= bytes;
      });
  }

  #settle(id: number, value: unknown, attached: readonly Uint8Array[]): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return; // cancelled meanwhile
    this.#pending.delete(id);
    const parsed = methods[pending.method].result.safeParse(value);
    if (!parsed.success) throw violation(`the result of ${pending.method}: ${parsed.error.issues[0]?.message ?? ''}`);
    pending.resolve({ value: parsed.data, attached });
  }

  #hear(name: string, value: unknown, attached: readonly Uint8Array[]): void {
    if (!Object.hasOwn(events, name)) throw violation(`an event named ${name}`);
    const parsed = events[name as EventName].safeParse(value);
    if (!parsed.success) throw violation(`the event ${name}: ${parsed.error.issues[0]?.message ?? ''}`);
    this.#service.event?.(name as EventName, parsed.data, attached);
  }

  #accept(id: number, kind: string, params: unknown): void {
    if (this.#streams.has(id) || id % 2 === this.#nextStream % 2) throw violation(`stream ${id} opened twice`);
    if (this.#streams.size >= MAX_STREAMS) {
      const error = new DrydockError('io', `More than ${MAX_STREAMS} streams at once.`, { hint: 'Close some first.' });
      return this.#send({ t: 'close', stream: id, error: error.toInfo() });
    }
    if (!Object.hasOwn(streams, kind) || this.#service.open === undefined) throw violation(`a stream of kind ${kind}`);
    const parsed = streams[kind as StreamKind].params.safeParse(params);
    if (!parsed.success) throw violation(`parameters of ${kind}: ${parsed.error.issues[0]?.message ?? ''}`);
    const stream = this.#addStream(id, kind);
    stream.on('error', () => undefined); // the server may have left it; its peer is told by `close`
    this.#service.open(kind as StreamKind, parsed.data as StreamParams<StreamKind>, stream).then(
      (value) => this.#send({ t: 'opened', stream: id, value }),
      (error: unknown) => {
        this.#send({ t: 'close', stream: id, error: toInfo(error) });
        stream.receiveClose(undefined, toInfo(error));
      },
    );
  }

  #opened(id: number, value: unknown): void {
    const opening = this.#opening.get(id);
    if (opening === undefined) return;
    const parsed = streams[opening.kind].opened.safeParse(value);
    if (!parsed.success)
      throw violation(`the answer to an opened ${opening.kind}: ${parsed.error.issues[0]?.message ?? ''}`);
    this.#opening.delete(id);
    opening.resolve(parsed.data);
  }

  #closeStream(id: number, value: unknown, error: ErrorInfo | { code: string; message: string } | undefined): void {
    const known = error === undefined ? undefined : asError(error);
    this.#opening.get(id)?.reject(known ?? lost('the stream closed before it opened'));
    this.#opening.delete(id);
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    if (known !== undefined) stream?.on('error', () => undefined);
    stream?.receiveClose(value, known?.toInfo());
  }

  // Sending -----------------------------------------------------------------------------------------------------------

  #addStream(id: number, kind: string): MuxStream {
    const stream = new MuxStream(kind, {
      chunk: (data) => this.#write(encodeChunk(id, data)),
      end: () => this.#send({ t: 'end', stream: id }),
      close: (value, error) => {
        this.#streams.delete(id);
        this.#send({ t: 'close', stream: id, value, ...(error === undefined ? {} : { error }) });
      },
      grant: (bytes) => this.#send({ t: 'window', stream: id, bytes }),
      control: (value) => this.#send({ t: 'control', stream: id, value }),
    });
    this.#streams.set(id, stream);
    return stream;
  }

  #send(message: Message, attached: readonly Uint8Array[] = []): void {
    this.#write(encodeMessage(message, attached));
  }

  #write(frame: string | Uint8Array): void {
    if (this.#reason !== null || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_WAITING) this.close(lost('the other end does not read what it is sent'));
    else this.#socket.send(frame);
  }

  #beat(): void {
    const now = performance.now();
    // A process that was itself frozen or starved has heard nothing by its own fault.
    if (now - this.#lastBeat > 2 * HEARTBEAT_MS) this.#lastHeard = now;
    this.#lastBeat = now;
    if (!this.#patient && now - this.#lastHeard > 3 * HEARTBEAT_MS) this.close(lost('nothing was heard for 15 s'));
    else this.#send({ t: 'ping', n: 0 });
  }
}

/**
 * Options that both ends give to `ws`. A message is an event loop turn of its own: else an event that came together with
 * the result of a call would be heard before whoever awaits that result goes on, and an older state would win.
 */
export const SOCKET_OPTIONS = {
  perMessageDeflate: false,
  maxPayload: MAX_FRAME,
  skipUTF8Validation: true,
  allowSynchronousEvents: false,
} as const;

function lost(why: string): DrydockError {
  return new DrydockError('link-lost', `The link to the agent is gone: ${why}.`, {
    hint: 'Drydock attaches again by itself when the container is there; nothing that was edited is lost.',
  });
}

function asError(info: { code: string; message: string; hint?: string | undefined }): DrydockError {
  return new DrydockError(isErrorCode(info.code) ? info.code : 'io', info.message, { hint: info.hint });
}

/** A bug of the serving side crosses as its message; the stack stays in the agent's log. */
function toInfo(error: unknown): ErrorInfo {
  if (error instanceof DrydockError) return error.toInfo();
  return { code: 'io', message: error instanceof Error ? error.message : String(error) };
}

function toBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
