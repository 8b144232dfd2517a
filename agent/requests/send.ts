/** Asks the service over HTTP, as any client would. */
import { request as open, type IncomingHttpHeaders } from 'node:http';
import type { Asked } from '../service/health.ts';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** From the first byte that was sent to the last that came. */
  readonly ms: number;
  /** As much of it as was wanted. */
  readonly body: Buffer;
  readonly cut: boolean;
}

/** Where no answer came. */
export interface Unanswered {
  readonly trouble: string;
  readonly ms: number;
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

export function send({ listener }: Pick<Asked, 'listener'>, sent: Sent): Promise<Answered | Unanswered> {
  const { method, path, headers, body, timeoutMs, keeps } = sent;
  const from = performance.now();
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    const failed = (error: Error): void => {
      const trouble = signal.aborted ? `no answer in ${timeoutMs / 1000} s` : error.message;
      resolve({ trouble, ms: performance.now() - from });
    };
    const asking = open(
      {
        host: listener.host,
        port: listener.port,
        path,
        method,
        agent: false,
        headers: { 'user-agent': 'drydock', 'content-length': body?.length ?? 0, ...headers },
        signal,
      },
      (answer) => {
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
      },
    );
    asking.on('error', failed);
    asking.end(body);
  });
}
