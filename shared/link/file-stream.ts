/** A file's bytes on a stream of their own; the last word says whether it was that file to the end. */
import { ContentMoved } from '../core/sync/endpoint.ts';
import type { MuxStream } from './mux-stream.ts';

export async function sendFile(bytes: AsyncIterable<Uint8Array>, stream: MuxStream): Promise<void> {
  let ok = true;
  try {
    for await (const chunk of bytes) {
      if (!stream.write(chunk)) await drained(stream);
      if (stream.destroyed) return;
    }
  } catch (error) {
    if (!(error instanceof ContentMoved)) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    ok = false;
  }
  stream.finish({ ok });
}

/** Until a stream takes more bytes, or is over. */
export function drained(stream: MuxStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}

/** Throws ContentMoved, about `what`, when it was another file in the end. */
export async function* receiveFile(stream: MuxStream, what: string): AsyncIterable<Uint8Array> {
  for await (const chunk of stream) yield chunk as Uint8Array;
  const last = (await stream.last) as { ok: boolean } | undefined;
  if (last?.ok !== true) throw new ContentMoved(what);
}
