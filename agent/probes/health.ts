/** What the service answers, to its health path and to a sample request. */
import { existsSync, globSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import { send, type Sent } from '../../shared/link/http.ts';
import type { GateRequest } from '../hook/messages.ts';
import { httpNames } from '../requests/log.ts';
import type { Asked } from '../service/health.ts';
import { listeners, type Listener } from '../service/procfs.ts';
import type { ServiceTarget } from '../service/access.ts';
import { step, timed } from './ask.ts';

const HEALTH_MS = 10_000;
const SCORE_MS = 60_000;
/** After which Azure's managed and Kubernetes endpoints give up by default. */
export const FRONT_DOOR_MS = 5_000;
/** Characters of an answer that are shown. */
const SHOWN = 200;

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly ms: number;
  readonly body: string;
}

/** Null when no answer came. */
export type Outcome = Answered | { readonly trouble: string };

type Target = Pick<ServiceTarget, 'asked' | 'portSource' | 'request'>;

export function probeHealth({ asked, portSource, request }: Target): Promise<ProbeReport> {
  return timed('health', async () => {
    if (asked === null) {
      const hint = 'start the service, or name its port: --port, or `port` in drydock.yaml';
      return [step('port', false, 'no scoring service listens', hint)];
    }
    const { host, port } = asked.listener;
    const steps = [step('port', true, `${host}:${port}, by ${portSource ?? '--port'}`)];
    if (asked.listener.loopback) steps.push(explainReach(asked.listener, listeners(), isMachineNetwork()));
    steps.push(explainHealth(asked, await ask(asked, { method: 'GET', path: asked.path }, HEALTH_MS)));
    if (request === null) {
      const detail = 'not asked: no good request is known yet; send one, or give one by --sample FILE';
      return [...steps, step('sample request', true, detail)];
    }
    return [...steps, explainScore(request, await ask(asked, outgoing(request), SCORE_MS))];
  });
}

/** A container's own network has virtual devices alone. */
const isMachineNetwork = (): boolean => globSync('/sys/class/net/*').some((at) => existsSync(`${at}/device`));

/**
 * Of a service on the loopback. What else listens may be the server that clients come by, such as nginx; in its machine's
 * network (`--network host`) it is anything.
 */
export function explainReach({ host, port }: Listener, all: readonly Listener[], isMachine: boolean): ProbeStep {
  const ports = [...new Set(all.filter(({ loopback }) => !loopback).map((other) => other.port))];
  const alone = `it listens on ${host}:${port} alone`;
  if (isMachine) return step('reach', true, `${alone}, in its machine’s network: clients of that machine reach it`);
  if (ports.length > 0) {
    return step('reach', true, `${alone}: clients outside the container come by what listens on ${ports.join(', ')}`);
  }
  const hint = `bind it to 0.0.0.0: --host 0.0.0.0, --bind 0.0.0.0:${port}, or app.run(host='0.0.0.0')`;
  return step('reach', false, `${alone}: clients outside the container cannot reach it`, hint);
}

async function ask(
  asked: Asked,
  sent: Pick<Sent, 'method' | 'path' | 'headers' | 'body'>,
  timeoutMs: number,
): Promise<Outcome> {
  const outcome = await send(asked.listener, { ...sent, timeoutMs, keeps: SHOWN });
  return 'trouble' in outcome ? outcome : { ...outcome, body: outcome.body.toString('utf8') };
}

const outgoing = ({ method, path, query, headers, body }: GateRequest) => ({
  method,
  path: query === '' ? path : `${path}?${query}`,
  headers: httpNames(headers),
  body: Buffer.from(body, 'base64'),
});

const BUSY =
  'the workers may be busy, stopped in a debugger or gone: `drydock logs` shows their last lines, and a sync worker answers one request at a time';

export function explainHealth({ path, guessed }: Pick<Asked, 'path' | 'guessed'>, outcome: Outcome): ProbeStep {
  const name = 'health';
  if ('trouble' in outcome) return step(name, false, `GET ${path}: ${outcome.trouble}`, BUSY);
  const { status } = outcome;
  if (status < 400) return step(name, true, said(`GET ${path}`, outcome));
  // Nobody said that this path exists.
  if (guessed && status < 500) {
    return step(
      name,
      true,
      `${said(`GET ${path}`, outcome)}; it answers, and its health path is not known: health_path in drydock.yaml`,
    );
  }
  const hint =
    status === 503
      ? 'the code does not start: the answer’s text and `drydock logs` say why'
      : 'look at `drydock logs`, or name another path: health_path in drydock.yaml';
  return step(name, false, said(`GET ${path}`, outcome), hint);
}

export function explainScore({ method, path }: Pick<GateRequest, 'method' | 'path'>, outcome: Outcome): ProbeStep {
  const name = 'sample request';
  if ('trouble' in outcome) return step(name, false, `${method} ${path}: ${outcome.trouble}`, BUSY);
  const { status, headers, ms, body } = outcome;
  const detail = `${said(`${method} ${path}`, outcome)}: ${body.trim().replaceAll(/\s+/g, ' ')}`;
  if (status >= 200 && status < 300) {
    const isLate = ms > FRONT_DOOR_MS;
    return step(name, true, isLate ? `${detail}; Azure’s endpoints give up after 5 s unless told otherwise` : detail);
  }
  const hint =
    headers['x-ms-run-function-failed'] === 'True'
      ? 'run() raised: `drydock probe run` shows where and why'
      : 'the server refused it: compare content type and body with what the code wants';
  return step(name, false, detail, hint);
}

/** Headers that say who answered, and how long run() took. */
const TOLD = ['server', 'x-ms-server-version', 'x-ms-run-fn-exec-ms', 'x-ms-run-function-failed', 'content-type'];

function said(asked: string, { status, headers, ms }: Answered): string {
  const told = TOLD.flatMap((name) => (headers[name] === undefined ? [] : `${name} ${String(headers[name])}`));
  return `${asked} → ${status} in ${Math.round(ms)} ms${told.length === 0 ? '' : ` (${told.join(', ')})`}`;
}
