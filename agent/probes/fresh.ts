/** `init` and `run`: the code on disk in a process of its own, cold, through the server's own set-up; and asked a request. */
import { isAbsolute, relative } from 'node:path';
import type { ProbeReport, ProbeStep, PythonFailure } from '../../shared/core/service.ts';
import { explainFailure } from '../../shared/core/explain/explain.ts';
import type { GateRequest } from '../hook/messages.ts';
import { send } from '../requests/send.ts';
import type { BootOutcome, Profile } from '../service/boot.ts';
import type { Service } from '../service/service.ts';
import { list, step, timed } from './ask.ts';

/**
 * Seconds after which Azure restarts a container that does not answer: a managed online endpoint's liveness probe begins after
 * 10 s and fails 30 times, 10 s apart (CLI v2 YAML schema of a managed online deployment, `liveness_probe`).
 */
const LIVENESS_S = 10 + 30 * 10;
const SWAGGER_MS = 5_000;
const SWAGGER_BYTES = 1024 * 1024;

type Host = Pick<Service, 'target' | 'bootFresh' | 'state' | 'explained' | 'workerContext'>;

/** What is posted, and where it was found. */
interface Sample {
  readonly request: GateRequest;
  readonly source: string;
}

export class FreshProbes {
  readonly #service: Host;

  constructor(service: Host) {
    this.#service = service;
  }

  init(profile: boolean): Promise<ProbeReport> {
    return timed('init', async () => {
      // With the request that `run` would ask for: one boot for both.
      const outcome = await this.#service.bootFresh((await this.#sample())?.request ?? null, profile);
      if (outcome === null) return [NOT_TRIED];
      const { env } = await this.#service.workerContext();
      return [...bootSteps(outcome), ...livenessSteps(outcome, env), ...profileSteps(outcome.profile)];
    });
  }

  run(): Promise<ProbeReport> {
    return timed('run', async () => {
      const sample = await this.#sample();
      if (sample === null) {
        return [
          step(
            'sample',
            true,
            'not asked: no sample was given, the service has none in its swagger, and no good request is known',
            'drydock probe run --data sample-request.json',
          ),
        ];
      }
      const outcome = await this.#service.bootFresh(sample.request);
      if (outcome === null) return [NOT_TRIED];
      return [
        step('sample', true, `${sample.source}: ${brief(decode(sample.request))}`),
        ...runSteps(outcome, sample.request),
      ];
    });
  }

  /** The one that was given, else the schema's own example, else the last good request. */
  async #sample(): Promise<Sample | null> {
    const { asked, request, given } = await this.#service.target();
    if (given && request !== null) return { request, source: 'the sample that was given' };
    const example = asked === null ? null : await swaggerExample(asked);
    if (example !== null) {
      const body = Buffer.from(JSON.stringify(example)).toString('base64');
      const path = this.#service.state().scorePath;
      const headers = { CONTENT_TYPE: 'application/json' };
      return { request: { method: 'POST', path, query: '', headers, body }, source: 'the example in swagger.json' };
    }
    return request && { request, source: 'the last good request' };
  }
}

const NOT_TRIED = step(
  'fresh process',
  true,
  'not tried: no scoring service was found, or there is not memory enough for one more process',
);

/** As inference-schema makes it: `ServiceInput` with an example, in version 2 and 3. */
async function swaggerExample(asked: Parameters<typeof send>[0]): Promise<unknown> {
  const outcome = await send(asked, {
    method: 'GET',
    path: '/swagger.json',
    timeoutMs: SWAGGER_MS,
    keeps: SWAGGER_BYTES,
  });
  if ('trouble' in outcome || outcome.status !== 200) return null;
  try {
    return findExample(JSON.parse(outcome.body.toString('utf8')), 8);
  } catch {
    return null;
  }
}

function findExample(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth === 0) return null;
  const input: unknown = 'ServiceInput' in value ? value.ServiceInput : null;
  if (typeof input === 'object' && input !== null && 'example' in input) {
    const { example } = input;
    // A service without a schema has an empty one.
    return typeof example === 'object' && example !== null && Object.keys(example).length > 0 ? example : null;
  }
  for (const held of Object.values(value)) {
    const found = findExample(held, depth - 1);
    if (found !== null) return found;
  }
  return null;
}

function bootSteps({ stages, stage, error }: BootOutcome): ProbeStep[] {
  const passed = stages.filter(({ name }) => name === 'import' || name === 'init');
  const steps = passed.map(({ name, ms }) => step(name === 'init' ? 'init()' : 'import', true, seconds(ms / 1000)));
  if (error === undefined || stage === 'gate') return steps;
  const failed = stage === 'init' ? 'init()' : stage;
  return [...steps.filter(({ name }) => name !== failed), failedStep(failed, error)];
}

function failedStep(name: string, failure: PythonFailure): ProbeStep {
  const frame = failure.frames.findLast(({ user }) => user);
  const where = frame === undefined ? '' : `${frame.file}:${frame.line} `;
  const known = explainFailure(failure);
  const hint = failure.hint ?? known?.mend;
  const cause = known === null ? '' : `\n${known.cause}`;
  return { ...step(name, false, `${where}${failure.type}: ${failure.message}${cause}`, hint), failure };
}

function livenessSteps({ stages, error }: BootOutcome, env: Readonly<Record<string, string>>): ProbeStep[] {
  if (error !== undefined) return [];
  const took = stages.filter(({ name }) => name !== 'gate').reduce((sum, { ms }) => sum + ms, 0) / 1000;
  const timeout = Number(env['WORKER_TIMEOUT'] ?? NaN);
  const told = `${seconds(took)} from nothing to serving; Azure restarts a container that does not answer for ${LIVENESS_S} s`;
  if (took < LIVENESS_S / 2) return [step('liveness', true, told)];
  const more = Number.isNaN(timeout) ? '' : `, WORKER_TIMEOUT (${timeout} s) as well`;
  return [
    step(
      'liveness',
      took < LIVENESS_S,
      told,
      `raise initial_delay of the deployment’s liveness_probe above ${Math.ceil(took * 1.5)} s${more}; --profile says what takes so long`,
    ),
  ];
}

function profileSteps(profile: Profile | null): ProbeStep[] {
  if (profile === null) return [];
  const line = (name: string, s: number, mb: number): string =>
    `${seconds(s).padStart(8)}  ${`${mb.toFixed(1)} MB`.padStart(9)}  ${name}`;
  const imports = profile.imports.map(({ name, seconds: s, mb }) => line(name, s, mb));
  const loads = profile.loads.map(({ what, of, seconds: s, mb }) => line(of === null ? what : `${what}(${of})`, s, mb));
  return [
    step('imports', true, imports.join('\n') || 'nothing'),
    step('model loads', true, loads.join('\n') || 'none by pickle, joblib, torch, keras or mlflow'),
    step('memory', true, `${profile.mb.toFixed(0)} MB at the end`),
  ];
}

function runSteps(outcome: BootOutcome, request: GateRequest): ProbeStep[] {
  const { error, answered, expects } = outcome;
  const steps = expects === null ? [] : [takesStep(expects, request)];
  if (error !== undefined) return [failedStep('boot', error)];
  if (answered === null)
    return [
      ...steps,
      step(
        'run()',
        true,
        'not asked in a process of its own: its server is not gunicorn, and its module has no run(); probe health asks the service',
      ),
    ];
  const { status, answer, failure } = answered;
  if (failure !== null) {
    const failed = failedStep('run()', failure);
    const missing = missingKey(failure, request);
    return [...steps, missing === null ? failed : { ...failed, hint: missing }];
  }
  const good = status.startsWith('2');
  const text = `${request.method} ${request.path} → ${status}: ${brief(Buffer.from(answer, 'base64').toString('utf8'))}`;
  return [
    ...steps,
    step(
      'run()',
      good,
      text,
      good ? undefined : 'the server refused it: compare content type and keys with what the code wants',
    ),
  ];
}

function takesStep({ parameters, parsed }: NonNullable<BootOutcome['expects']>, request: GateRequest): ProbeStep {
  const keys = keysOf(request);
  const takes = `run(${parameters.join(', ')})`;
  if (keys === null) return step('parameters', true, `${takes}; what is sent is no JSON object`);
  const missing = parsed ? parameters.filter((name) => !keys.includes(name)) : [];
  const sent = `sent: ${list(keys)}`;
  if (missing.length === 0) return step('parameters', true, `${takes}${parsed ? '' : ' gets the whole body'}; ${sent}`);
  return step(
    'parameters',
    false,
    `${takes}; ${sent}`,
    `send ${missing.map((name) => `“${name}”`).join(' and ')}: the keys of the JSON are the parameters of run()`,
  );
}

/** A KeyError of a key that was not sent. */
function missingKey({ type, message, frames }: PythonFailure, request: GateRequest): string | null {
  const keys = keysOf(request);
  const key = /^['"](.*)['"]$/.exec(message)?.[1];
  if (type !== 'KeyError' || key === undefined || keys === null || keys.includes(key)) return null;
  const frame = frames.findLast(({ user }) => user);
  const where = frame === undefined ? '' : ` in ${short(frame.file)}:${frame.line}`;
  return `the code asks for “${key}”${where}, and the request has ${list(keys)}: send “${key}”, or change that line`;
}

const short = (file: string): string =>
  isAbsolute(file) ? relative('/var/azureml-app', file).replace(/^(\.\.\/)+/, '/') : file;

function keysOf(request: GateRequest): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(decode(request));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : null;
  } catch {
    return null;
  }
}

const decode = ({ body }: GateRequest): string => Buffer.from(body, 'base64').toString('utf8');
const brief = (text: string): string => text.trim().replaceAll(/\s+/g, ' ').slice(0, 200);
const seconds = (s: number): string => (s < 1 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`);
