/** What the console sees of requests, and its debugger: over whichever link is up. */
import { join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { TOLERANCE } from '../../shared/core/difference.ts';
import { leastWanted, MAX_KEPT, type Exchange, type Summary } from '../../shared/core/requests.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { ask, type Reach } from './ask.ts';
import { forwardPort, toDebugger, type Forward } from './forward.ts';
import { writeLaunch } from './launch-json.ts';
import { masked, type Masking } from './masked.ts';
import { replayed, type Replayed } from './replay.ts';
import { findSample, readSample } from './sample-file.ts';
import type { DebugView, RequestsView, Scored } from './view.ts';

const TIMEOUT_MS = 60_000;
/** As the guide has it. */
const DEBUG_PORT = 5678;

/** The service of the link that is up. */
export interface Inspected extends Reach {
  readonly scorePath: string;
  /** The app's folder on this machine; null where none is known. */
  readonly dir: string | null;
}

export interface DebugPlace {
  /** The container's name. */
  readonly name: string;
  /** Of the app, on this machine and in the container; null where no folder of this machine is known. */
  readonly dir: string | null;
  readonly root: string;
}

export class Inspection {
  readonly #inspected: () => Inspected | null;
  readonly #changed: () => void;
  readonly #masking: Masking;
  #requests: RequestsView = { list: [], bytes: 0, limit: 0 };
  #debug: DebugView | null = null;
  #forward: Forward | null = null;

  constructor(inspected: () => Inspected | null, masking: Masking, changed: () => void) {
    this.#inspected = inspected;
    this.#masking = masking;
    this.#changed = changed;
  }

  get requests(): RequestsView {
    return this.#requests;
  }

  get debug(): DebugView | null {
    return this.#debug;
  }

  /** On each new link. */
  async attached(peer: Peer): Promise<void> {
    const { requests, bytes, limit } = (await peer.call('requests.list', { watch: true })).value;
    this.#requests = { list: requests.slice(-MAX_KEPT), bytes, limit };
    this.#changed();
    if (this.#debug !== null) await peer.call('service.debug', { on: true });
  }

  heard({ summary, bytes }: { readonly summary: Summary; readonly bytes: number }): void {
    const { list, limit } = this.#requests;
    const longer = [...list, summary];
    if (longer.length > MAX_KEPT) longer.splice(leastWanted(longer), 1);
    this.#requests = { list: longer, bytes, limit };
    this.#changed();
  }

  /** The sample, the last good request, or a file of the app that looks like one. */
  async score(): Promise<Scored> {
    const { scorePath, dir, ...reach } = this.#linked();
    const known = (await reach.peer.call('requests.sample', {})).value.request;
    const file = known === null && dir !== null ? await findSample(dir) : null;
    const request = dir !== null && file !== null ? await readSample(join(dir, file), scorePath) : known;
    if (request === null) {
      throw new DrydockError('usage', 'There is nothing to send: no sample was given, and no good request is known.', {
        hint: 'Send one with any client, or put a sample-request.json into the app’s folder.',
      });
    }
    const { exchange } = await ask(reach, request, { timeoutMs: TIMEOUT_MS, source: 'score' });
    return { exchange: masked(exchange, this.#masking), file };
  }

  async exchange(id: string): Promise<Exchange> {
    return masked(await this.#exchange(id), this.#masking);
  }

  async #exchange(id: string): Promise<Exchange> {
    const { exchange } = (await this.#linked().peer.call('requests.get', { id })).value;
    if (exchange !== null) return exchange;
    throw new DrydockError('io', `Request ${id} is not kept any more.`, { hint: 'Newer ones took its room.' });
  }

  async replay(id: string): Promise<Replayed> {
    const reach = this.#linked();
    const one = await this.#exchange(id);
    // A good answer to the same question is looked for among those that look like it.
    const alike = this.#requests.list.filter(
      ({ id: other, path, size, source, status }) =>
        other !== id &&
        path === one.path &&
        status >= 200 &&
        status < 300 &&
        source !== 'replay' &&
        size === sizeOf(one),
    );
    const others = await Promise.all(alike.slice(-10).map((other) => this.#exchange(other.id)));
    const known = [...others, one];
    const options = { timeoutMs: TIMEOUT_MS, tolerance: TOLERANCE, ...this.#masking };
    for await (const result of replayed(reach, [one], known, options)) return result;
    throw new DrydockError('io', `Request ${id} could not be sent again.`);
  }

  async toggleDebug(place: DebugPlace): Promise<void> {
    if (this.#debug !== null) return this.#endDebug();
    const { peer } = this.#linked();
    this.#forward = await this.#open();
    const { port } = this.#forward;
    this.#debug = { port, launch: null, trouble: null, stopped: null };
    this.#changed();
    this.#show(await this.#launch(place, port));
    await peer.call('service.debug', { on: true });
  }

  close(): void {
    this.#forward?.close();
  }

  async #endDebug(): Promise<void> {
    this.#forward?.close();
    this.#forward = null;
    this.#debug = null;
    this.#changed();
    await this.#inspected()?.peer.call('service.debug', { on: false });
  }

  /** The usual port, else any. */
  async #open(): Promise<Forward> {
    const to = toDebugger((stopped) => this.#show({ stopped }));
    const peer = () => this.#inspected()?.peer ?? null;
    return forwardPort(to, peer, DEBUG_PORT).catch(() => forwardPort(to, peer));
  }

  async #launch({ name, dir, root }: DebugPlace, port: number): Promise<Partial<DebugView>> {
    if (dir === null) return { trouble: 'no folder of this machine is known: the editor has no launch.json of it' };
    try {
      return { launch: await writeLaunch({ name, port, way: 'connect', dir, root }) };
    } catch (error) {
      if (!(error instanceof DrydockError)) throw error;
      return { trouble: `${error.message} ${error.hint ?? ''}` };
    }
  }

  #show(part: Partial<DebugView>): void {
    if (this.#debug === null) return;
    this.#debug = { ...this.#debug, ...part };
    this.#changed();
  }

  #linked(): Inspected {
    const inspected = this.#inspected();
    if (inspected !== null && !inspected.peer.isClosed) return inspected;
    throw new DrydockError('link-lost', 'The container is not attached.', {
      hint: 'Wait until the header says that the link is up.',
    });
  }
}

const sizeOf = ({ body }: Exchange): number => Buffer.byteLength(body, 'base64');
