/** Sends requests to the service, tells what its code raised although it hides that, and keeps them. */
import { randomBytes } from 'node:crypto';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Exchange, LoadResult, LoadWish, Outgoing } from '../../shared/core/requests.ts';
import { fromHookFailure } from '../service/failure.ts';
import type { ServiceAccess } from '../service/access.ts';
import { load } from './load.ts';
import { httpNames, type RequestLog } from './log.ts';
import { send } from './send.ts';

/** Bytes of an answer that are kept. */
const MAX_ANSWER = 256 * 1024;
/** A worker tells at once; its master passes it on at its next turn. */
const TOLD_MS = 1_500;
const MAX_TOLD = 20;

type Asking = Pick<ServiceAccess, 'target' | 'listens' | 'askFresh' | 'isHooked' | 'explained'>;

export class Requests {
  readonly #service: Asking;
  readonly log: RequestLog;

  constructor(service: Asking, log: RequestLog) {
    this.#service = service;
    this.log = log;
  }

  async send(outgoing: Outgoing, timeoutMs: number, source: 'score' | 'replay'): Promise<Exchange> {
    const { method, path, query, headers, body } = outgoing;
    const asked = await this.#service.listens();
    if (asked === null) throw noService();
    const id = randomBytes(4).toString('hex');
    const told = this.log.expect(id);
    try {
      const outcome = await send(asked, {
        method,
        path: query === '' ? path : `${path}?${query}`,
        headers: { ...headers, 'x-drydock-request': id },
        body: Buffer.from(body, 'base64'),
        timeoutMs,
        keeps: MAX_ANSWER,
      });
      const base = {
        id,
        at: Date.now(),
        source,
        method,
        path,
        query,
        headers,
        body,
        cut: false,
        ms: outcome.ms,
      } as const;
      if ('trouble' in outcome) {
        const nothing = { status: 0, told: [], answer: '', answerCut: false, failure: null, fresh: false };
        return this.#keep({ ...base, ...nothing, trouble: outcome.trouble });
      }
      const { status, body: answer, cut: answerCut } = outcome;
      const failure = status < 500 ? NONE : await this.#failure(outgoing, told.within);
      return this.#keep({
        ...base,
        status,
        told: telling(outcome.headers),
        answer: answer.toString('base64'),
        answerCut,
        ...failure,
      });
    } finally {
      told.end();
    }
  }

  async load(wish: LoadWish, signal: AbortSignal): Promise<LoadResult> {
    const asked = await this.#service.listens();
    if (asked === null) throw noService();
    return load(asked, wish, signal);
  }

  /** What is asked where nobody said what: the sample, or the last good request. Null when there is none. */
  async sample(): Promise<Outgoing | null> {
    const { request } = await this.#service.target();
    return request && { ...request, headers: httpNames(request.headers) };
  }

  #keep(exchange: Exchange): Exchange {
    this.log.add(exchange);
    return exchange;
  }

  async #failure(
    outgoing: Outgoing,
    within: (ms: number) => Promise<{ failure: Parameters<typeof fromHookFailure>[0] | null } | null>,
  ): Promise<Pick<Exchange, 'failure' | 'fresh'>> {
    if (this.#service.isHooked()) {
      const captured = await within(TOLD_MS);
      if (captured !== null) {
        const { failure } = captured;
        return { failure: failure && this.#service.explained(fromHookFailure(failure)), fresh: false };
      }
    }
    const failure = await this.#service.askFresh({ ...outgoing, headers: wsgiNames(outgoing.headers) });
    return { failure: failure && this.#service.explained(failure), fresh: failure !== null };
  }
}

const NONE = { failure: null, fresh: false } as const;

function noService(): DrydockError {
  return new DrydockError('not-running', 'No scoring service listens in the container.', {
    hint: 'Start it, or name its port: --port, or `port` in drydock.yaml.',
  });
}

function telling(headers: NodeJS.Dict<string | readonly string[]>): [string, string][] {
  return Object.entries(headers)
    .filter(([name]) => name === 'server' || name === 'content-type' || name.startsWith('x-ms-'))
    .slice(0, MAX_TOLD)
    .map(([name, value]) => [name, String(value).slice(0, 1000)]);
}

function wsgiNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]): [string, string] => {
    const upper = name.toUpperCase().replaceAll('-', '_');
    return [upper === 'CONTENT_TYPE' ? upper : `HTTP_${upper}`, value];
  });
  return Object.fromEntries(named);
}
