/** Requests to the scoring service as they are kept, listed and compared. Bodies are base64. */
import type { PythonFailure } from './service.ts';

export interface Exchange {
  readonly id: string;
  /** Epoch milliseconds at its end. */
  readonly at: number;
  /** Whose it is: any client's, as a worker saw it; or one that Drydock sent, for the first time or once more. */
  readonly source: 'client' | 'score' | 'replay';
  readonly method: string;
  /** As it stood in the request line. */
  readonly path: string;
  readonly query: string;
  /** By their names in HTTP, in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body is not whole: it cannot be sent again. */
  readonly cut: boolean;
  /** 0 where no answer came. */
  readonly status: number;
  /** Milliseconds: in the worker for a client's, from first byte to last for one that was sent. */
  readonly ms: number;
  /** Headers of the answer that say who made it, and how. */
  readonly told: readonly (readonly [string, string])[];
  readonly answer: string;
  readonly answerCut: boolean;
  /** What the user's code raised, although the service hides it. */
  readonly failure: PythonFailure | null;
  /** The failure is of a fresh process of the same code that was asked the same, not of the worker that answered. */
  readonly fresh: boolean;
  /** Why no answer came. */
  readonly trouble?: string;
}

/** What came of a request that was sent. Milliseconds are from the first byte that was sent to the last that came. */
export type Outcome =
  | {
      readonly status: number;
      readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
      readonly ms: number;
      /** As much of it as was wanted. */
      readonly answer: string;
      readonly cut: boolean;
    }
  | Unanswered;

/** No answer came, and why. */
export interface Unanswered {
  readonly trouble: string;
  readonly ms: number;
  /** Nobody accepted the connection: nothing was asked. */
  readonly refused: boolean;
}

export type Summary = Omit<Exchange, 'body' | 'answer' | 'headers' | 'told' | 'failure'> & {
  /** Bytes. */
  readonly size: number;
  /** `score.py:14 NameError: …` */
  readonly failed: string | null;
};

export interface RequestList {
  /** Oldest first. */
  readonly requests: readonly Summary[];
  /** Bytes that they take, and may take. */
  readonly bytes: number;
  readonly limit: number;
}

export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Headers of an answer that are told. */
const MAX_TOLD = 20;

/** One that Drydock sent; what its code raised is for a worker to say. `at`: epoch milliseconds. */
export function exchangeOf(
  { method, path, query, headers, body }: Outgoing,
  outcome: Outcome,
  sent: Pick<Exchange, 'id' | 'at' | 'source'>,
): Exchange {
  const asked = {
    ...sent,
    method,
    path,
    query,
    headers,
    body,
    cut: false,
    ms: outcome.ms,
    failure: null,
    fresh: false,
  };
  if ('trouble' in outcome) {
    return { ...asked, status: 0, told: [], answer: '', answerCut: false, trouble: outcome.trouble };
  }
  const { status, answer, cut: answerCut } = outcome;
  return { ...asked, status, told: telling(outcome.headers), answer, answerCut };
}

function telling(headers: Extract<Outcome, { status: number }>['headers']): [string, string][] {
  return Object.entries(headers)
    .filter(([name]) => name === 'server' || name === 'content-type' || name.startsWith('x-ms-'))
    .slice(0, MAX_TOLD)
    .map(([name, value]) => [name, String(value).slice(0, 1000)]);
}

export interface LoadWish extends Outgoing {
  /** Requests a second, whatever the answers do. */
  readonly rate: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly sent: number;
  /** Requests a second that were answered. */
  readonly achieved: number;
  /** How often by status; `0` for those without an answer. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Milliseconds from when a request was due to its answer's end, of all that were answered. */
  readonly ms: {
    readonly p50: number;
    readonly p90: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  /** Median of what the service itself says of run(), in milliseconds (x-ms-run-fn-exec-ms); null where it does not. */
  readonly runMs: number | null;
}

export const isLoadGood = ({ statuses }: LoadResult): boolean =>
  Object.keys(statuses).every((status) => status.startsWith('2'));

/** The header that marks a request which Drydock sent: what a worker tells of it is no other request. */
export const MARK = 'x-drydock-request';

/** Its value for the exchange with that ID. */
export const markOf = (id: string): string => `drydock-${id}`;

/** The ID that such a value is of; null for what any other client has sent. */
export const markedId = (mark: string): string | null => /^drydock-([0-9a-f]{8})$/.exec(mark)?.[1] ?? null;

export const isGood = ({ status }: Pick<Exchange, 'status'>): boolean => status >= 200 && status < 300;

export const MAX_KEPT = 200;

/** Of oldest-first ones that which goes first: the oldest of the good or of the others, whichever are more; so a failure outlives the traffic after it. */
export function leastWanted(kept: readonly Pick<Exchange, 'status'>[]): number {
  const mostlyGood = kept.filter(isGood).length * 2 > kept.length;
  return kept.findIndex((one) => isGood(one) === mostlyGood);
}

/** What tells two requests of the same question. */
export const sameQuestion = ({ method, path, query, body }: Outgoing): string => [method, path, query, body].join('\0');
