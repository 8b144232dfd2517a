/** The last requests to the service, in this process's memory alone, for as long as it lives. */
import { randomBytes } from 'node:crypto';
import { leastWanted, MAX_KEPT, type Exchange, type RequestList, type Summary } from '../../shared/core/requests.ts';
import type { Captured } from '../hook/messages.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import { fromHookFailure } from '../service/failure.ts';

const MAX_BYTES = 16 * 1024 * 1024;

export class RequestLog {
  /** A failure with what to do about it. */
  readonly #explain: (failure: PythonFailure) => PythonFailure;
  readonly #kept: { readonly exchange: Exchange; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #listeners = new Set<(summary: Summary, bytes: number) => void>();
  /** Who waits for what a worker says of a request that was sent, by its ID. */
  readonly #expected = new Map<string, (captured: Captured) => void>();

  constructor(explain: (failure: PythonFailure) => PythonFailure) {
    this.#explain = explain;
  }

  /** As a worker saw it. */
  captured(captured: Captured): void {
    const expected = captured.id === null ? undefined : this.#expected.get(captured.id);
    if (expected !== undefined) return expected(captured);
    const { told, headers, failure, status, id: _, ...same } = captured;
    this.add({
      ...same,
      id: randomBytes(4).toString('hex'),
      source: 'client',
      status: Number(status.slice(0, 3)) || 0,
      headers: httpNames(headers),
      told: told.map(([name, value]) => [name.toLowerCase(), value] as const),
      failure: failure && this.#explain(fromHookFailure(failure)),
      fresh: false,
    });
  }

  /** What a worker says of the request with that ID; null when none has in so many milliseconds after `answered`. */
  expect(id: string): { readonly within: (ms: number) => Promise<Captured | null>; readonly end: () => void } {
    const seen = Promise.withResolvers<Captured | null>();
    this.#expected.set(id, seen.resolve);
    return {
      within: (ms) => {
        const timer = setTimeout(() => seen.resolve(null), ms);
        return seen.promise.finally(() => clearTimeout(timer));
      },
      end: () => this.#expected.delete(id),
    };
  }

  add(exchange: Exchange): void {
    const bytes = JSON.stringify(exchange).length;
    this.#kept.push({ exchange, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > MAX_KEPT || (this.#bytes > MAX_BYTES && this.#kept.length > 1)) {
      const at = leastWanted(this.#kept.map(({ exchange }) => exchange));
      for (const dropped of this.#kept.splice(at, 1)) this.#bytes -= dropped.bytes;
    }
    const summary = summaryOf(exchange);
    for (const listener of this.#listeners) listener(summary, this.#bytes);
  }

  onAdded(listener: (summary: Summary, bytes: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list(): RequestList {
    return { requests: this.#kept.map(({ exchange }) => summaryOf(exchange)), bytes: this.#bytes, limit: MAX_BYTES };
  }

  get(id: string): Exchange | null {
    return this.#kept.findLast(({ exchange }) => exchange.id === id)?.exchange ?? null;
  }
}

/** `HTTP_ACCEPT` is `accept`. */
export function httpNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]): [string, string] => [
    name
      .replace(/^HTTP_/, '')
      .replaceAll('_', '-')
      .toLowerCase(),
    value,
  ]);
  return Object.fromEntries(named);
}

function summaryOf(exchange: Exchange): Summary {
  const { id, at, source, method, path, query, cut, status, ms, answerCut, fresh, trouble, body, failure } = exchange;
  const frame = failure?.frames.findLast(({ user }) => user);
  const where = frame === undefined ? '' : `${frame.file.slice(frame.file.lastIndexOf('/') + 1)}:${frame.line} `;
  return {
    ...{ id, at, source, method, path, query, cut, status, ms, answerCut, fresh },
    ...(trouble !== undefined && { trouble }),
    size: Buffer.byteLength(body, 'base64'),
    failed: failure === null ? null : `${where}${failure.type}: ${failure.message}`.slice(0, 500),
  };
}
