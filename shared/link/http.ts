/** Asks the service over HTTP, as any client would; for both ends. */
import { request as open, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { MARK, markOf, type Outcome, type Outgoing, type Unanswered } from '../core/requests.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** From the first byte that was sent to the last that came. */
  readonly ms: number;
  /** As much of it as was wanted. */
  readonly body: Buffer;
  readonly cut: boolean;
}

export interface Sent {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs: number;
  /** Bytes of the answer that are kept. */
  readonly keeps: number;
}

export function send({ host, port }: Address, sent: Sent): Promise<Answered | Unanswered> {
  const { method, path, headers, body, timeoutMs, keeps } = sent;
  const from = performance.now();
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const trouble = signal.aborted ? `no answer in ${timeoutMs / 1000} s` : error.message;
      resolve({ trouble, ms: performance.now() - from, refused: error.syscall === 'connect' });
    };
    const answered = (answer: IncomingMessage): void => {
      const parts: Buffer[] = [];
      let size = 0;
      answer.on('data', (part: Buffer) => {
        if (size < keeps) parts.push(part);
        size += part.length;
      });
      answer.once('error', failed);
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          ms: performance.now() - from,
          body: Buffer.concat(parts).subarray(0, keeps),
          cut: size > keeps,
        }),
      );
    };
    const options = {
      host,
      port,
      path: inRequestLine(path),
      method,
      agent: false,
      headers: { 'user-agent': 'drydock', 'content-length': body?.length ?? 0, ...headers },
      signal,
    };
    try {
      open(options, answered).on('error', failed).end(body);
    } catch (error) {
      failed(error as Error); // a method or header that HTTP has not
    }
  });
}

/** What a request line can't hold is encoded; the rest stands as it was given. */
const inRequestLine = (path: string): string =>
  path.toWellFormed().replaceAll(/[^!-~]/gu, (character) => encodeURIComponent(character));

/** Bytes of an answer that are kept. */
const MAX_ANSWER = 256 * 1024;

/** Marked as Drydock's own of that ID, so that what a worker says of it is known for what it is. */
export async function sendMarked(
  address: Address,
  { method, path, query, headers, body }: Outgoing,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
): Promise<Outcome> {
  const outcome = await send(address, {
    method,
    path: query === '' ? path : `${path}?${query}`,
    headers: { ...headers, [MARK]: markOf(id) },
    body: Buffer.from(body, 'base64'),
    timeoutMs,
    keeps: MAX_ANSWER,
  });
  return 'trouble' in outcome ? outcome : { ...outcome, answer: outcome.body.toString('base64') };
}
