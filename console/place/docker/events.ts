/** What happens to one container: the engine's event stream, and a look at the container where the stream has a gap. */
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerInspectInfo } from 'dockerode';
import type { Incarnation, TargetEvent } from '../place.ts';
import type { Connection } from './connection.ts';
import { containerName } from './facts.ts';
import { jsonLines } from './json-lines.ts';

/**
 * Ends when `signal` aborts or the place closes. Without the engine it says `engine-lost`, tries again until it is
 * there, then `engine-back` and what happened meanwhile.
 */
export async function* events(
  connection: Connection,
  id: Incarnation,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<TargetEvent> {
  const stop = AbortSignal.any([signal, connection.closing]);
  const watched = new Watched(id, name);
  let lost = false;
  for (let wait = 100; ; wait = Math.min(wait * 2, 2000)) {
    try {
      const stream = await openStream(connection, id, name, stop);
      if (lost) yield { type: 'engine-back' };
      lost = false;
      wait = 100;
      // The stream is open: what the look misses, it has.
      yield* watched.look(await inspectBoth(connection, id, name));
      for await (const message of jsonLines<EngineMessage>(stream)) yield* watched.hear(message);
    } catch {
      // A stream that cannot be opened or broke: said below.
    }
    if (stop.aborted) return;
    if (!lost) yield { type: 'engine-lost' };
    lost = true;
    await delay(wait, undefined, { signal: stop }).catch(() => undefined);
  }
}

interface EngineMessage {
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

interface Seen {
  /** Null when the container is gone. */
  readonly own: ContainerInspectInfo | null;
  /** Who has the name now. */
  readonly named: ContainerInspectInfo | null;
}

/** The last known state, so that nothing is said twice and nothing that happened in a gap is left out. */
class Watched {
  readonly #id: string;
  readonly #name: string;
  #startedAt: string;
  #running = true;
  #paused = false;
  #removed = false;
  #heir: string | undefined;

  constructor(id: Incarnation, name: string) {
    this.#id = id.container;
    this.#name = name;
    this.#startedAt = id.startedAt;
  }

  *look({ own, named }: Seen): Generator<TargetEvent> {
    if (own === null) {
      yield* this.#died();
      yield* this.#gone();
    } else {
      const { State: state } = own;
      if (!state.Running) yield* this.#died(state.ExitCode);
      else if (state.StartedAt !== this.#startedAt) {
        yield* this.#died();
        yield* this.#started(state.StartedAt);
      }
      if (state.Running) yield* this.#hold(state.Paused);
    }
    if (named !== null && named.Id !== this.#id && named.State.Running) yield* this.#replaced(named.Id);
  }

  *hear({ Action: action, Actor: actor }: EngineMessage): Generator<TargetEvent> {
    if (actor?.ID !== this.#id) {
      // The engine's filter takes every name that begins like ours.
      if (action === 'start' && actor?.ID !== undefined && actor.Attributes?.['name'] === this.#name) {
        yield* this.#replaced(actor.ID);
      }
      return;
    }
    switch (action) {
      case 'pause':
        yield* this.#hold(true);
        break;
      case 'unpause':
        yield* this.#hold(false);
        break;
      case 'die':
        yield* this.#died(Number(actor.Attributes?.['exitCode'] ?? Number.NaN));
        break;
      case 'start':
        yield* this.#started(this.#startedAt);
        break;
      case 'destroy':
        yield* this.#gone();
        break;
      default:
    }
  }

  *#hold(paused: boolean): Generator<TargetEvent> {
    if (this.#paused !== paused) yield { type: paused ? 'paused' : 'resumed' };
    this.#paused = paused;
  }

  *#died(exitCode = Number.NaN): Generator<TargetEvent> {
    if (this.#running) yield Number.isNaN(exitCode) ? { type: 'died' } : { type: 'died', exitCode };
    this.#running = false;
    this.#paused = false;
  }

  *#started(at: string): Generator<TargetEvent> {
    if (!this.#running) yield { type: 'started' };
    this.#running = true;
    this.#startedAt = at;
  }

  *#gone(): Generator<TargetEvent> {
    if (!this.#removed) yield { type: 'removed' };
    this.#removed = true;
  }

  *#replaced(by: string): Generator<TargetEvent> {
    if (this.#heir !== by) yield { type: 'replaced' };
    this.#heir = by;
  }
}

function openStream(connection: Connection, id: Incarnation, name: string, signal: AbortSignal): Promise<Readable> {
  const filters = JSON.stringify({
    type: ['container'],
    container: [id.container, name],
    event: ['pause', 'unpause', 'die', 'start', 'destroy'],
  });
  return connection.stream('/events', new URLSearchParams({ filters }), signal);
}

async function inspectBoth(connection: Connection, id: Incarnation, name: string): Promise<Seen> {
  const [own, named] = await Promise.all([connection.find(id.container), connection.find(name)]);
  return { own, named: named !== null && containerName(named) === name ? named : null };
}
