/** Sends requests to the service, tells what its code raised although it hides that, and keeps them. */
import { randomBytes } from 'node:crypto';
import { DrydockError } from '../../shared/core/errors.ts';
import {
  exchangeOf,
  type Exchange,
  type LoadResult,
  type LoadWish,
  type Outgoing,
} from '../../shared/core/requests.ts';
import { sendMarked } from '../../shared/link/http.ts';
import type { ServiceAccess } from '../service/access.ts';
import { load } from './load.ts';
import { httpNames, type RequestLog } from './log.ts';

/** A worker tells at once; its master passes it on at its next turn. */
const TOLD_MS = 1_500;

type Asking = Pick<ServiceAccess, 'target' | 'listens' | 'askFresh' | 'isHooked' | 'explained'>;

export class Requests {
  readonly #service: Asking;
  readonly log: RequestLog;

  constructor(service: Asking, log: RequestLog) {
    this.#service = service;
    this.log = log;
  }

  async send(outgoing: Outgoing, timeoutMs: number, source: 'score' | 'replay'): Promise<Exchange> {
    const asked = await this.#service.listens();
    if (asked === null) throw noService();
    const id = randomBytes(4).toString('hex');
    const outcome = await sendMarked(asked.listener, outgoing, { id, timeoutMs });
    return this.keep(exchangeOf(outgoing, outcome, { id, at: Date.now(), source }));
  }

  /** One that was sent, with what its code raised. */
  async keep(sent: Exchange): Promise<Exchange> {
    return this.log.add(sent.status < 500 ? sent : { ...sent, ...(await this.#failure(sent)) });
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

  async #failure(sent: Exchange): Promise<Pick<Exchange, 'failure' | 'fresh'>> {
    const { id, method, path, query, headers, body, cut } = sent;
    const told = this.#service.isHooked() ? await this.log.told(id, TOLD_MS) : undefined;
    if (told !== undefined || cut) return { failure: told ?? null, fresh: false };
    const failure = await this.#service.askFresh({ method, path, query, body, headers: wsgiNames(headers) });
    return { failure: failure && this.#service.explained(failure), fresh: failure !== null };
  }
}

function noService(): DrydockError {
  return new DrydockError('not-running', 'No scoring service listens in the container.', {
    hint: 'Start it, or name its port: --port, or `port` in drydock.yaml.',
  });
}

function wsgiNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]): [string, string] => {
    const upper = name.toUpperCase().replaceAll('-', '_');
    return [upper === 'CONTENT_TYPE' ? upper : `HTTP_${upper}`, value];
  });
  return Object.fromEntries(named);
}
