/** `drydock score`: one request as a client sends it, or many at a rate. */
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { DrydockError } from '../../shared/core/errors.ts';
import { isGood, isLoadGood, type Outgoing } from '../../shared/core/requests.ts';
import { ask, publishedAt } from '../engine/ask.ts';
import type { Link } from '../engine/link.ts';
import { masked } from '../engine/masked.ts';
import { findSample } from '../engine/sample-file.ts';
import { P95_TAKEN, replicaLines, replicasAfter } from '../text/replicas.ts';
import { describeExchange, describeLoad } from '../text/requests.ts';
import { maskingOf, userDir, wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export interface ScoreFlags extends ServiceFlags {
  /** A file, or `-`. */
  readonly data?: string;
  readonly method: string;
  /** `Name: value` */
  readonly header?: readonly string[];
  readonly contentType?: string;
  /** Seconds. */
  readonly timeout: number;
  /** Requests a second; one request where it is absent. */
  readonly rate?: number;
  readonly seconds: number;
}

export async function score(reporter: Reporter, ref: string | undefined, given: ScoreFlags): Promise<number> {
  return withLink(reporter, ref, given, async ({ container, link, flags }) => {
    const { value: state } = await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const request = await requestOf(given, state.scorePath, link);
    if (request === null) throw await nothingToSend(container.name, flags.dir);
    if (given.rate !== undefined) return loadWith(reporter, link, request, given, given.rate);
    const reach = { peer: link.control, published: publishedAt({ container, agent: link.facts, service: state }) };
    const { exchange, kept } = await ask(reach, request, { timeoutMs: given.timeout * 1000, source: 'score' });
    const shown = masked(exchange, maskingOf(flags));
    reporter.answer(shown, describeExchange(shown));
    await kept;
    return isGood(exchange) ? 0 : 1;
  });
}

async function loadWith(
  reporter: Reporter,
  link: Link,
  request: Outgoing,
  { seconds }: ScoreFlags,
  rate: number,
): Promise<number> {
  reporter.step(`asking ${rate} times a second for ${seconds} s …`);
  const { value: result } = await link.control.call('requests.load', { ...request, rate, seconds });
  const needed = replicasAfter(rate, result);
  const words = [describeLoad(result, rate)];
  if (needed !== null) words.push('', P95_TAKEN, ...replicaLines(needed));
  reporter.answer({ ...result, rate, replicas: needed }, words.join('\n'));
  return isLoadGood(result) ? 0 : 1;
}

async function requestOf(flags: ScoreFlags, scorePath: string, link: Link): Promise<Outgoing | null> {
  const { data, contentType, method, header = [] } = flags;
  const [path = '', query = ''] = (flags.scorePath ?? scorePath).split(/\?(.*)/s);
  if (data === undefined) {
    const { request } = (await link.control.call('requests.sample', {})).value;
    return request && { ...request, headers: { ...request.headers, ...headersOf(header) } };
  }
  const body = await readBody(data);
  const guessed = contentType ?? (isJson(body) ? 'application/json' : 'application/octet-stream');
  return {
    method,
    path,
    query,
    headers: { 'content-type': guessed, ...headersOf(header) },
    body: body.toString('base64'),
  };
}

/** With the file that was probably meant. */
async function nothingToSend(name: string, dir: string | undefined): Promise<DrydockError> {
  let hint = 'drydock score --data sample-request.json, or --data - to read it from standard input.';
  for (const folder of [resolve(userDir(), dir ?? '.'), userDir()]) {
    const file = await findSample(folder);
    if (file === null) continue;
    const path = relative(userDir(), join(folder, file));
    hint = `This looks like one: drydock score ${name} --data ${/^[\w./\\:-]+$/.test(path) ? path : `"${path}"`}`;
    break;
  }
  const message = 'There is nothing to send: no --data, no sample, and no good request is known.';
  return new DrydockError('usage', message, { hint });
}

async function readBody(data: string): Promise<Buffer> {
  if (data === '-') return buffer(process.stdin);
  const path = resolve(userDir(), data);
  return readFile(path).catch((cause: unknown) => {
    throw new DrydockError('usage', `--data: ${path} cannot be read.`, {
      hint: 'Name a file with the body of a request, or - for standard input.',
      cause,
    });
  });
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

function headersOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((line): [string, string] => {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new DrydockError('usage', `--header: “${line}” is no header.`, {
        hint: 'Such as: --header "Accept: text/csv"',
      });
    }
    return [name.toLowerCase(), value];
  });
  return Object.fromEntries(pairs);
}
