/**
 * What run() makes of a request: in a fresh process of the code on disk, whose exceptions can be seen, and where that can't
 * be asked (an ASGI application, no memory for one more) of the service itself.
 */
import { basename } from 'node:path';
import { explainLine } from '../../shared/core/explain/match.ts';
import type { Exchange, Outgoing } from '../../shared/core/requests.ts';
import type { ProbeStep, PythonFailure } from '../../shared/core/service.ts';
import { httpNames } from '../requests/log.ts';
import { keysOf, mendOf, missingKeyMend } from '../requests/missing-key.ts';
import type { LoadedCode } from '../service/boot.ts';
import type { WorkerContext } from '../service/worker.ts';
import { list, step } from './ask.ts';
import { failureStep } from './failure.ts';
import { FRONT_DOOR_MS } from './health.ts';
import type { Input } from './input.ts';

export interface CallAnswer {
  readonly by: 'fresh' | 'live';
  readonly status: number;
  readonly ms: number;
  readonly body: string;
  readonly failure: PythonFailure | null;
  /** Why no answer came. */
  readonly trouble?: string;
}

export interface Call {
  readonly input: Input | null;
  /** Null where it is not known. */
  readonly run: LoadedCode['run'];
  readonly answer: CallAnswer | null;
}

type Worker = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'>;

export const outgoing = ({ method, path, query, headers, body }: Input['request']): Outgoing => ({
  method,
  path,
  query,
  headers: httpNames(headers),
  body,
});

export function liveAnswer({ status, ms, answer, failure, trouble }: Exchange): CallAnswer {
  const body = Buffer.from(answer, 'base64').toString('utf8');
  return { by: 'live', status, ms, body, failure, ...(trouble !== undefined && { trouble }) };
}

export function explainCall({ input, run, answer }: Call, worker: Worker, root: string): ProbeStep[] {
  if (input === null) {
    const detail =
      'not asked: no sample is given, the service describes no example of its input, and no good request is known';
    return [...signatureSteps(run, null), step('input', true, `${detail}; name one: --data FILE`)];
  }
  const keys = keysOf(input.request.body);
  const steps = [step('input', true, `${input.source}: ${brief(bodyOf(input))}`), ...signatureSteps(run, keys)];
  if (answer === null) return [...steps, step('answer', false, 'the process ended before it answered')];
  return [...steps, answerStep(answer, input, { run, keys }, worker, root)];
}

const bodyOf = ({ request }: Input): string => Buffer.from(request.body, 'base64').toString('utf8');
const brief = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
};

function signatureSteps(run: LoadedCode['run'], keys: readonly string[] | null): ProbeStep[] {
  if (run === null) return [];
  const { parameters, schema, place, raw } = run;
  const given = parameters.map(({ name, required }) => (required ? name : `${name}=…`)).join(', ');
  const where = place === null ? '' : `, ${basename(place.file)}:${place.line}`;
  const takes =
    schema !== null
      ? `the keys of the JSON, by input_schema`
      : raw
        ? 'the request as it is (@rawhttp)'
        : 'the whole body as text';
  const sent = keys === null ? '' : `; sent: ${list(keys)}`;
  return [step('run()', true, `run(${given})${where}, takes ${takes}${sent}`)];
}

interface Expected {
  readonly run: LoadedCode['run'];
  readonly keys: readonly string[] | null;
}

function answerStep(
  answer: CallAnswer,
  { request }: Input,
  expected: Expected,
  worker: Worker,
  root: string,
): ProbeStep {
  const name = 'answer';
  const { by, status, ms, body, failure, trouble } = answer;
  const whose = by === 'fresh' ? 'a fresh process of the code on disk' : 'the service';
  const asked = `${request.method} ${request.path} of ${whose}`;
  if (trouble !== undefined) return step(name, false, `${asked}: ${trouble}`, 'look at `drydock logs`');
  const mend = keyHint(answer, request.body, expected);
  if (failure !== null) {
    const failed = failureStep(name, failure, worker, root);
    return { ...failed, detail: `${failed.detail}\n${asked} → ${status}`, ...(mend !== null && { hint: mend }) };
  }
  const detail = `${asked} → ${status} in ${Math.round(ms)} ms: ${brief(body)}`;
  if (status >= 300 || status < 200) {
    const other =
      by === 'live' && status >= 500
        ? 'run() raised, and the server does not say what: `drydock logs` has the traceback'
        : 'the server refused it: compare content type and body with what the code wants';
    return step(name, false, detail, mend ?? other);
  }
  const error = errorIn(body);
  if (error !== null) {
    const said =
      explainLine(error, () => error)?.mend ??
      'the code catches what it raises and returns it as text: look for `except` in run()';
    return step(name, false, `${detail}; the status says that all is well, and the body an error`, mend ?? said);
  }
  const late = ms > FRONT_DOOR_MS ? '; Azure’s endpoints give up after 5 s unless told otherwise' : '';
  return step(name, true, detail + late);
}

/** Names of what is wanted beside what was sent. */
function keyHint({ failure, status, body }: CallAnswer, sentBody: string, { run, keys }: Expected): string | null {
  if (run !== null && run.schema !== null && status >= 400) {
    const missing = run.parameters.filter((one) => one.required && !(keys ?? []).includes(one.name));
    if (missing.length === 0) return null;
    const names = missing.map(({ name }) => name);
    const sent =
      keys === null ? 'the body is no JSON object' : `sent ${keys.length === 1 ? 'is' : 'are'} ${list(keys)}`;
    return `run() wants ${list(names)}, and ${sent}: send {${names.map((one) => `"${one}": …`).join(', ')}}`;
  }
  if (failure !== null) return missingKeyMend(failure, sentBody);
  const wanted = status < 300 ? keyIn(body) : undefined;
  return wanted === undefined || keys === null || keys.includes(wanted) ? null : mendOf('run()', wanted, keys);
}

/** `str(error)` of a KeyError, returned as if all were well. */
const keyIn = (body: string): string | undefined => /^"?'(\w+)'"?$/.exec(body.trim())?.[1];

/** An error that the code returned with a good status. */
function errorIn(body: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
    if (typeof value === 'string' && /^\s*[{[]/.test(value)) value = JSON.parse(value);
  } catch {
    value ??= body;
  }
  const text =
    typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string'
      ? value.error
      : typeof value === 'string' && (keyIn(value) !== undefined || explainLine(value, () => '')?.weight === 'cause')
        ? value
        : '';
  return text === '' ? null : text;
}
