/** A container that was just started: how far its service comes, and what stopped it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceState } from '../../shared/core/service.ts';
import type { Kit } from '../kit/kit.ts';
import type { Place, Target } from '../place/place.ts';
import { causeOf, crashOf, type Crash, type CrashStage } from './crash.ts';
import { LineSplitter } from './lines.ts';
import { openLink } from './link.ts';

export interface Boot {
  /**
   * How far it came. `started`: the container runs; `agent`: the agent is in; `answered`: the service does what it should.
   * One that failed ends at a stage of its crash.
   */
  readonly stage: 'started' | 'agent' | 'answered' | CrashStage;
  /** Absent when it answered. */
  readonly error?: Crash;
  /** False when the container has ended or is gone. */
  readonly alive: boolean;
  /** The last lines that it printed, when it did not answer. */
  readonly log: readonly string[];
}

export interface BootOptions {
  /** Null where the service is not published: it is then known by its agent alone. */
  readonly healthUrl: string | null;
  readonly kit: Kit;
  readonly waitMs: number;
}

type End = Omit<Boot, 'log'>;

/** How often the service is asked whether it answers yet. Milliseconds. */
const ASK_MS = 100;
/** Pauses between two agents, growing. Milliseconds. */
const AGENT_AGAIN_MS = 500;
const AGENT_LAST_MS = 15_000;
/** Lines of log that are kept to find the cause in, and that are handed out. */
const KEPT = 2_000;
const TOLD = 40;
/** As the agent's hold and the kit's launch.sh say that a service ended and is not started again. */
const HELD = /^drydock: the (?:scoring )?service ended \(exit code (-?\d+)/;

/** Resolves when the service answered or failed, or `waitMs` have passed. */
export async function watchBoot(place: Place, target: Target, options: BootOptions): Promise<Boot> {
  const over = new AbortController();
  const { signal } = over;
  const lines: string[] = [];
  let stage: 'started' | 'agent' = 'started';
  try {
    const end = await Promise.race([
      options.healthUrl === null ? never<End>() : answered(options.healthUrl, signal),
      heldOrGone(place, target, lines, signal),
      inside(target, options.kit, signal, () => (stage = 'agent')),
      late(options.waitMs, signal, () => stage),
    ]);
    return { ...end, log: end.error === undefined ? [] : lines.slice(-TOLD) };
  } finally {
    over.abort();
  }
}

async function answered(url: string, signal: AbortSignal): Promise<End> {
  while (!signal.aborted) {
    const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) }).catch(
      () => null,
    );
    await answer?.body?.cancel();
    // A service without that route is there as well.
    if (answer !== null && answer.status < 500) return { stage: 'answered', alive: true };
    await sleep(ASK_MS, undefined, { signal }).catch(() => undefined);
  }
  return never();
}

/** By the log: it says when the service ended, and it ends with the container. */
async function heldOrGone(place: Place, target: Target, lines: string[], signal: AbortSignal): Promise<End> {
  const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  for await (const { stream, data } of target.logs({ follow: true, signal })) {
    for (const line of splitters[stream].push(data)) {
      lines.push(line);
      const code = HELD.exec(line)?.[1];
      if (code !== undefined) return { ...crashOf(lines, Number(code)), alive: true };
    }
    lines.splice(0, lines.length - KEPT);
  }
  if (signal.aborted) return never();
  lines.push(...splitters.stdout.end(), ...splitters.stderr.end());
  const found = (await place.list()).find(({ id }) => id === target.id.container);
  const code = /\((-?\d+)\)/.exec(found?.status ?? '')?.[1];
  return { ...crashOf(lines, code === undefined ? null : Number(code)), alive: false };
}

/**
 * By the agent: gunicorn goes on with a worker that holds the failure, or the service is well. Without an agent less is
 * known of the service, which may answer all the same; one that is lost is asked anew.
 */
async function inside(target: Target, kit: Kit, signal: AbortSignal, onAgent: () => void): Promise<End> {
  for (let pause = AGENT_AGAIN_MS; !signal.aborted; pause = Math.min(2 * pause, AGENT_LAST_MS)) {
    const end = await told(target, kit, signal, onAgent).catch(() => null);
    if (end !== null) return end;
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
  return never();
}

/** Null when the link has ended before. */
async function told(target: Target, kit: Kit, signal: AbortSignal, onAgent: () => void): Promise<End | null> {
  const end = Promise.withResolvers<End>();
  const look = (state: ServiceState) => {
    if (state.held !== null) end.resolve({ ...causeOf(state.held), alive: true });
    else if (state.health === 'healthy') end.resolve({ stage: 'answered', alive: true });
  };
  const link = await openLink({
    target,
    container: await target.facts(),
    kit,
    onStep: () => undefined,
    onEvent: (name, value) => {
      if (name === 'service') look(value as ServiceState);
    },
    bulkService: {},
  });
  if (signal.aborted) link.close();
  else signal.addEventListener('abort', () => link.close(), { once: true });
  onAgent();
  look((await link.control.call('service.follow', { auto: false })).value);
  return Promise.race([end.promise, link.closed.then(() => null)]);
}

async function late(ms: number, signal: AbortSignal, stage: () => 'started' | 'agent'): Promise<End> {
  await sleep(ms, undefined, { signal }).catch(() => never());
  const message = `the service did not answer within ${ms / 1000} s`;
  return {
    stage: stage(),
    alive: true,
    error: {
      type: 'Timeout',
      message,
      file: null,
      line: null,
      traceback: null,
      hint: 'it may still come: give it longer with --wait',
    },
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
