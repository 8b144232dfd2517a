/** The last requests to the service, in this process's memory alone, for as long as it lives. */
import { randomBytes } from 'node:crypto';
import {
  leastWanted,
  markedId,
  MAX_KEPT,
  type Exchange,
  type RequestList,
  type Summary,
} from '../../shared/core/requests.ts';
import type { Captured } from '../hook/messages.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import { fromHookFailure } from '../service/failure.ts';
import { missingKeyMend } from './missing-key.ts';

const MAX_BYTES = 16_000_000;
/** Requests of Drydock's own of which workers have told, or are waited for. */
const MAX_TOLD = 100;

export class RequestLog {
  /** A failure with what to do about it. */
  readonly #explain: (failure: PythonFailure) => PythonFailure;
  readonly #kept: { readonly exchange: Exchange; readonly bytes: number }[] = [];
  #bytes = 0;
  readonly #listeners = new Set<(summary: Summary, bytes: number) => void>();
  /** What a worker says that was raised by a request of Drydock's own, by its ID, oldest first. */
  readonly #told = new Map<string, PromiseWithResolvers<PythonFailure | null | undefined>>();

  constructor(explain: (failure: PythonFailure) => PythonFailure) {
    this.#explain = explain;
  }

  /** As a worker saw it. One that Drydock sent is added by whoever sent it: what the worker says of it comes sooner or later than that. */
  captured({ told, headers, failure: raised, status, id: mark, ...same }: Captured): void {
    const failure = raised && this.#explain(fromHookFailure(raised));
    const own = mark === null ? null : markedId(mark);
    if (own !== null) return this.#word(own).resolve(failure);
    this.add({
      ...same,
      id: randomBytes(4).toString('hex'),
      source: 'client',
      status: Number(status.slice(0, 3)) || 0,
      headers: httpNames(headers),
      told: told.map(([name, value]) => [name.toLowerCase(), value] as const),
      failure,
      fresh: false,
    });
  }

  /** What a request of Drydock's own raised, as a worker says; undefined when none says anything within so many milliseconds. */
  told(id: string, ms: number): Promise<PythonFailure | null | undefined> {
    const { promise, resolve } = this.#word(id);
    const timer = setTimeout(() => resolve(undefined), ms);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#told.delete(id);
    });
  }

  /** As it is kept: with the mend that only the request itself tells. */
  add(given: Exchange): Exchange {
    const exchange = mended(given);
    const bytes = JSON.stringify(exchange).length;
    this.#kept.push({ exchange, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > MAX_KEPT || (this.#bytes > MAX_BYTES && this.#kept.length > 1)) {
      const at = leastWanted(this.#kept.map(({ exchange }) => exchange));
      for (const dropped of this.#kept.splice(at, 1)) this.#bytes -= dropped.bytes;
    }
    const summary = summaryOf(exchange);
    for (const listener of this.#listeners) listener(summary, this.#bytes);
    return exchange;
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

  /** Said or awaited. */
  #word(id: string): PromiseWithResolvers<PythonFailure | null | undefined> {
    const known = this.#told.get(id);
    if (known !== undefined) return known;
    const word = Promise.withResolvers<PythonFailure | null | undefined>();
    this.#told.set(id, word);
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= MAX_TOLD) break;
      this.#told.delete(oldest);
    }
    return word;
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

function mended(exchange: Exchange): Exchange {
  const { failure, body } = exchange;
  const hint = failure && missingKeyMend(failure, body);
  return failure === null || hint === null ? exchange : { ...exchange, failure: { ...failure, hint } };
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
