/** What most verbs begin with: the engine, the container, the link. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { ServiceWishes } from '../../shared/core/service.ts';
import type { EngineOptions } from '../engine/engine.ts';
import { openLink, type Link, type LinkOptions } from '../engine/link.ts';
import type { Masking } from '../engine/masked.ts';
import { openKit } from '../kit/kit.ts';
import type { Facts, Found, Place, Target } from '../place/place.ts';
import type { Reporter } from './report.ts';
import { readSettings } from './settings.ts';

export interface ServiceFlags {
  readonly root?: string;
  readonly port?: number;
  readonly scorePath?: string;
  readonly healthPath?: string;
  /** `--no-gate`, `--no-hook`, `--no-warm`. */
  readonly gate?: boolean;
  readonly hook?: boolean;
  readonly warm?: boolean;
  /** A file. */
  readonly sample?: string;
  /** `--no-capture`, `--no-locals`. */
  readonly capture?: boolean;
  readonly locals?: boolean;
  /** Words of names whose values are not shown. */
  readonly redact?: readonly string[];
}

/** The engine that DOCKER_HOST or the docker context names. Loaded late: its client takes longest to import. */
export async function openPlace(): Promise<Place> {
  const { openDocker } = await import('../place/docker/docker.ts');
  return openDocker({ env: process.env });
}

/** The kit beside the bundle. */
export function kitDir(): string {
  return process.env['DRYDOCK_KIT'] ?? join(import.meta.dirname, 'kit');
}

/** History, journal and logs of this user. */
export function stateDir(): string {
  const base = process.env['XDG_STATE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.local', 'state') : base, 'drydock');
}

/** `npm run` changes the working folder and says where the user was. */
export function userDir(): string {
  return process.env['INIT_CWD'] ?? process.cwd();
}

/** What was asked for, completed from drydock.yaml: words and flags go before it. */
export async function complete<F extends ServiceFlags & { readonly dir?: string }>(
  ref: string | undefined,
  flags: F,
): Promise<{ readonly ref: string | undefined; readonly flags: F }> {
  const dir = flags.dir === undefined ? [] : [resolve(userDir(), flags.dir)];
  const { container, ...settings } = await readSettings([...dir, userDir()]);
  return { ref: ref ?? container, flags: { ...settings, ...flags } };
}

/** The container that was named, or the only one that runs. */
export async function chooseContainer(place: Place, ref: string | undefined): Promise<string> {
  if (ref !== undefined) return ref;
  const running = (await place.list()).filter(({ state }) => state === 'running' || state === 'paused');
  const [only, ...others] = running;
  if (only !== undefined && others.length === 0) return only.name;
  if (only === undefined) {
    throw new DrydockError('no-container', `No container runs on ${place.label}.`, {
      hint: 'Start one (`drydock run IMAGE`, or `docker start NAME`), then name it: drydock attach NAME',
    });
  }
  throw new DrydockError('usage', `Several containers run on ${place.label}: ${names(running)}.`, {
    hint: `Name one: drydock VERB ${only.name}`,
  });
}

/** The container that was named, or the only one that has ended or ends again and again. */
export async function chooseEnded(place: Place, ref: string | undefined): Promise<string> {
  if (ref !== undefined) return ref;
  const ended = (await place.list()).filter(({ state }) => ['exited', 'restarting', 'dead'].includes(state));
  const [only, ...others] = ended;
  if (only !== undefined && others.length === 0) return only.name;
  if (only === undefined) {
    throw new DrydockError('no-container', `No container on ${place.label} has ended.`, {
      hint: 'One that runs needs no reviving: drydock attach NAME',
    });
  }
  throw new DrydockError('usage', `Several containers on ${place.label} have ended: ${names(ended)}.`, {
    hint: `Name one: drydock revive ${only.name}`,
  });
}

function names(found: readonly Found[]): string {
  const shown = found.slice(0, 8).map(({ name }) => name);
  return found.length > shown.length ? `${shown.join(', ')} and ${found.length - shown.length} more` : shown.join(', ');
}

export interface Attached {
  readonly place: Place;
  readonly target: Target;
  readonly container: Facts;
  readonly link: Link;
  /** As they were given or stand in drydock.yaml. */
  readonly flags: ServiceFlags & { readonly dir?: string };
}

/** Links to the container's agent for the length of `work`. Verbs that need no files use this; the console has its engine. */
export async function withLink<T>(
  reporter: Reporter,
  named: string | undefined,
  given: ServiceFlags,
  work: (attached: Attached) => Promise<T>,
  hears: Hears = {},
): Promise<T> {
  const { ref, flags } = await complete(named, given);
  const place = await openPlace();
  let link: Link | null = null;
  try {
    const target = await place.open(await chooseContainer(place, ref));
    const container = await target.facts();
    link = await linkTo(reporter, target, container, flags, hears);
    return await work({ place, target, container, link, flags });
  } finally {
    link?.close();
    await place.close();
  }
}

/** What comes from the agent unasked. */
export type Hears = Partial<Pick<LinkOptions, 'onEvent' | 'bulkService'>>;

/** A link that hears no events and has nothing to serve, but for what `hears` names. */
export async function linkTo(
  reporter: Reporter,
  target: Target,
  container: Facts,
  { root }: ServiceFlags,
  hears: Hears = {},
): Promise<Link> {
  return openLink({
    target,
    container,
    kit: await openKit(kitDir()),
    ...(root === undefined ? {} : { root }),
    onStep: (step) => {
      if (step.startsWith('bringing')) reporter.step(`${container.name}: ${step} …`);
    },
    onEvent: () => undefined,
    bulkService: {},
    ...hears,
  });
}

/** What of requests and failures is not shown. */
export function maskingOf({ redact, locals }: ServiceFlags): Masking {
  return { ...(redact !== undefined && { redact }), variables: locals !== false };
}

/** The flags of the service in the agent's words; nothing is said where nothing was given. */
export async function wishesOf(flags: ServiceFlags): Promise<ServiceWishes> {
  return {
    ...(flags.port === undefined ? {} : { port: flags.port }),
    ...(flags.scorePath === undefined ? {} : { scorePath: flags.scorePath }),
    ...(flags.healthPath === undefined ? {} : { healthPath: flags.healthPath }),
    ...(flags.gate === false ? { gate: false } : {}),
    ...(flags.hook === false ? { hook: false } : {}),
    ...(flags.warm === false ? { warm: false } : {}),
    ...(flags.capture === false ? { capture: false } : {}),
    ...(flags.locals === false ? { variables: false } : {}),
    ...(flags.redact === undefined ? {} : { redact: flags.redact }),
    ...(flags.sample === undefined ? {} : { sample: await readSample('--sample', flags.sample) }),
  };
}

/** Bytes; a request that is larger is no sample. */
const MAX_SAMPLE = 1024 * 1024;

export async function readSample(flag: string, file: string): Promise<NonNullable<ServiceWishes['sample']>> {
  const path = resolve(userDir(), file);
  const body = await readFile(path).catch((cause: unknown) => {
    throw new DrydockError('usage', `${flag}: ${path} cannot be read.`, {
      hint: 'Name a file with the body of a request, such as sample-request.json.',
      cause,
    });
  });
  if (body.length > MAX_SAMPLE) {
    throw new DrydockError('usage', `${flag}: ${path} has ${body.length} bytes; 1 MiB is the most.`, {
      hint: 'Name a smaller request.',
    });
  }
  const contentType = /\.(json|txt)$/.test(path) || body[0] === 0x7b ? 'application/json' : 'application/octet-stream';
  return { contentType, body: body.toString('base64') };
}

export interface EngineFlags extends ServiceFlags {
  readonly dir?: string;
  /** `--no-reload` */
  readonly reload?: boolean;
  readonly restart?: boolean;
}

/** The engine's options from flags and environment; `policy` says what happens where both sides have content at first. */
export async function engineOptions(
  ref: string,
  flags: EngineFlags,
  policy: EngineOptions['policy'],
  restart: EngineOptions['restart'],
): Promise<EngineOptions> {
  return {
    ref,
    cwd: userDir(),
    ...(flags.dir === undefined ? {} : { dir: resolve(userDir(), flags.dir) }),
    ...(flags.root === undefined ? {} : { root: flags.root }),
    wishes: await wishesOf(flags),
    policy,
    reload: flags.reload !== false,
    restart: flags.restart === true ? 'always' : restart,
    kitDir: kitDir(),
    stateDir: stateDir(),
  };
}
