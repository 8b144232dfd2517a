/** Requests and what was raised as they may be shown: without secrets. Such a request is not to be sent again. */
import { HIDDEN, redacted, redactedValue, secretNames } from '../../shared/core/redact.ts';
import type { Exchange } from '../../shared/core/requests.ts';
import type { PythonFailure } from '../../shared/core/service.ts';

export interface Masking {
  /** Further words of names whose values are not shown. */
  readonly redact?: readonly string[];
  /** False: failures show no variables. */
  readonly variables?: boolean;
}

export function masked(exchange: Exchange, masking: Masking): Exchange {
  const { redact = [] } = masking;
  const secret = secretNames(redact);
  const { headers, body, answer, failure } = exchange;
  return {
    ...exchange,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, secret.test(name) ? HIDDEN : value]),
    ),
    body: maskedBody(body, redact),
    answer: maskedBody(answer, redact),
    failure: failure && maskedFailure(failure, masking),
  };
}

function maskedBody(base64: string, redact: readonly string[]): string {
  const text = Buffer.from(base64, 'base64').toString('utf8');
  const shown = redacted(text, redact);
  return shown === text ? base64 : Buffer.from(shown).toString('base64');
}

function maskedFailure(failure: PythonFailure, { redact = [], variables = true }: Masking): PythonFailure {
  return {
    ...failure,
    frames: failure.frames.map(({ locals, ...frame }) =>
      locals === undefined || !variables
        ? frame
        : { ...frame, locals: locals.map((one) => ({ ...one, value: redactedValue(one.name, one.value, redact) })) },
    ),
  };
}
