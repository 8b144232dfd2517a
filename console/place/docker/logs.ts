/** A container's log as it was written: demultiplexed, or raw where the container has a terminal. */
import type { LogChunk, LogOptions } from '../place.ts';
import type { Connection } from './connection.ts';
import { FrameReader } from './demux.ts';
import { engineError } from './errors.ts';

/** Ends when the container stops, when `signal` aborts, or at once with the last line when not following. */
export async function* logs(
  connection: Connection,
  container: { readonly id: string; readonly name: string; readonly tty: boolean },
  options: LogOptions,
): AsyncGenerator<LogChunk> {
  const what = `read the log of ${container.name}`;
  const signal = AbortSignal.any([options.signal, connection.closing]);
  const query = new URLSearchParams({ stdout: '1', stderr: '1' });
  if (options.follow) query.set('follow', '1');
  if (options.tail !== undefined) query.set('tail', String(options.tail));
  if (options.since !== undefined) query.set('since', String(options.since));
  try {
    // dockerode's own logs() collects a log that is not followed, and parses it when it looks like JSON.
    const source = await connection.ask(
      what,
      () => connection.stream(`/containers/${container.id}/logs`, query, signal),
      container.name,
    );
    const frames = new FrameReader();
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (container.tty) yield { stream: 'stdout', data: chunk };
      else yield* frames.read(chunk);
    }
  } catch (cause) {
    if (!signal.aborted) throw engineError(cause, { host: connection.host, what, container: container.name });
  }
}
