/** Frames of the link: shared/core/protocol.ts says what they hold. */
import { DrydockError } from '../core/errors.ts';
import { MAX_FRAME, MAX_VALUES, messageSchema, type Message } from '../core/protocol.ts';

export type Frame =
  | { readonly type: 'message'; readonly message: Message; readonly attached: readonly Uint8Array[] }
  | { readonly type: 'chunk'; readonly stream: number; readonly data: Uint8Array };

export function violation(what: string): DrydockError {
  return new DrydockError('protocol-violation', `The other end of the link broke the protocol: ${what}.`, {
    hint: 'Run `drydock detach` and attach again; if it happens again, the container is not to be trusted.',
  });
}

/** A text frame, or a binary one when bytes are attached; `attached` in the message announces their sizes. Throws when it is too large. */
export function encodeMessage(message: Message, attached: readonly Uint8Array[]): string | Uint8Array {
  if (attached.length === 0) {
    const text = JSON.stringify(message);
    if (text.length * 3 > MAX_FRAME && Buffer.byteLength(text) > MAX_FRAME) throw tooLarge();
    return text;
  }
  const json = Buffer.from(JSON.stringify({ ...message, attached: attached.map((bytes) => bytes.byteLength) }));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(json.byteLength, 4);
  const frame = Buffer.concat([head, json, ...attached]);
  if (frame.byteLength > MAX_FRAME) throw tooLarge();
  return frame;
}

function tooLarge(): DrydockError {
  return new DrydockError('io', `A message is larger than the ${MAX_FRAME / 1024 / 1024} MiB that the link carries.`, {
    hint: 'Has the folder that is synchronised several 100,000 files? Leave some out with a line in .drydockignore.',
  });
}

export function encodeChunk(stream: number, data: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(4 + data.byteLength);
  frame.writeUInt32BE(stream, 0);
  frame.set(data, 4);
  return frame;
}

/** Throws protocol-violation for anything that is not exactly of the protocol. */
export function decodeFrame(data: Buffer, binary: boolean): Frame {
  if (!binary) return { type: 'message', message: parseMessage(data), attached: [] };
  if (data.byteLength < 4) throw violation('a frame without a stream number');
  const stream = data.readUInt32BE(0);
  if (stream !== 0) return { type: 'chunk', stream, data: data.subarray(4) };
  if (data.byteLength < 8) throw violation('an attached message without its length');
  const end = 8 + data.readUInt32BE(4);
  if (end > data.byteLength) throw violation('an attached message longer than its frame');
  const message = parseMessage(data.subarray(8, end));
  const sizes = 'attached' in message ? (message.attached ?? []) : [];
  const attached: Uint8Array[] = [];
  let at = end;
  for (const size of sizes) {
    if (at + size > data.byteLength) throw violation('attached bytes that are not there');
    attached.push(data.subarray(at, at + size));
    at += size;
  }
  if (at !== data.byteLength) throw violation('bytes that no message speaks of');
  return { type: 'message', message, attached };
}

function parseMessage(data: Buffer): Message {
  if (!isBounded(data)) throw violation('a message of too many parts');
  let json: unknown;
  try {
    json = JSON.parse(data.toString('utf8'));
  } catch {
    throw violation('a message that is not JSON');
  }
  const parsed = messageSchema.safeParse(json);
  if (!parsed.success) throw violation(`a message of no known form (${parsed.error.issues[0]?.message ?? 'schema'})`);
  return parsed.data;
}

function isBounded(data: Buffer): boolean {
  if (data.byteLength <= MAX_VALUES) return true;
  let values = 0;
  for (let at = 0; at < data.byteLength; at++) if (data[at] === OBJECT || data[at] === ARRAY) values++;
  return values <= MAX_VALUES;
}

const OBJECT = '{'.charCodeAt(0);
const ARRAY = '['.charCodeAt(0);
