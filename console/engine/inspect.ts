/** What the console sees of requests, and its debugger: over whichever link is up. */
import { join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { TOLERANCE } from '../../shared/core/difference.ts';
import {
  leastWanted,
  MAX_KEPT,
  type Exchange,
  type LoadResult,
  type Outgoing,
  type Summary,
} from '../../shared/core/requests.ts';
import type { Peer } from '../../shared/link/peer.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import { headline } from '../text/requests.ts';
import { ask, type Reach } from './ask.ts';
import { DialledEditor } from './dialled.ts';
import { forwardPort, toDebugger, type Forward } from './forward.ts';
import { writeLaunch, type LaunchWish } from './launch-json.ts';
import { masked, type Masking } from './masked.ts';
import { replayed, type Replayed } from './replay.ts';
import { findSample, readSample } from './sample-file.ts';
import type { DebugView, ListenView, ReplayLine, RequestsView, Scored } from './view.ts';

const TIMEOUT_MS = 60_000;
/** As the guide has it. */
const DEBUG_PORT = 5678;
/** For how long code waits for the editor, in seconds. */
const WAIT_S = 30;

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
  #listen: ListenView | null = null;
  #editor: DialledEditor | null = null;
  #asking = new AbortController();

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

  get listen(): ListenView | null {
    return this.#listen;
  }

  /** On each new link. */
  async attached(peer: Peer): Promise<void> {
    const { requests, bytes, limit } = (await peer.call('requests.list', { watch: true })).value;
    this.#requests = { list: requests.slice(-MAX_KEPT), bytes, limit };
    this.#changed();
    if (this.#debug !== null) await peer.call('service.debug', { on: true });
    if (this.#listen !== null) await peer.call('debug.listen', { port: this.#listen.port });
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
    const reach = this.#linked();
    const { request, file } = await this.#sample(reach);
    const { exchange } = await ask(reach, request, { timeoutMs: TIMEOUT_MS, source: 'score' });
    return { exchange: masked(exchange, this.#masking), file };
  }

  async load(rate: number, seconds: number): Promise<LoadResult> {
    const reach = this.#linked();
    const { signal } = this.#asking;
    const { request } = await this.#sample(reach);
    return (await reach.peer.call('requests.load', { ...request, rate, seconds }, { signal })).value;
  }

  stopAsking(): void {
    this.#asking.abort(new DrydockError('cancelled', 'It was stopped.'));
    this.#asking = new AbortController();
  }

  async #sample({ peer, scorePath, dir }: Inspected): Promise<{ request: Outgoing; file: string | null }> {
    const known = (await peer.call('requests.sample', {})).value.request;
    const file = known === null && dir !== null ? await findSample(dir) : null;
    const request = dir !== null && file !== null ? await readSample(join(dir, file), scorePath) : known;
    if (request !== null) return { request, file };
    throw new DrydockError('usage', 'There is nothing to send: no sample was given, and no good request is known.', {
      hint: 'Send one with any client, or put a sample-request.json into the app’s folder.',
    });
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

  async replayAll(onLine: (line: ReplayLine) => void): Promise<void> {
    const reach = this.#linked();
    const { signal } = this.#asking;
    const wanted = this.#requests.list.filter(({ source }) => source !== 'replay');
    const kept = await Promise.all(
      wanted.map(async ({ id }) => (await reach.peer.call('requests.get', { id })).value.exchange),
    );
    const known = kept.filter((one) => one !== null);
    if (known.length === 0) {
      throw new DrydockError('usage', 'No request is known that could be sent again.', {
        hint: 'Send one first, with any client; t sends the sample.',
      });
    }
    const options = { timeoutMs: TIMEOUT_MS, tolerance: TOLERANCE, ...this.#masking };
    for await (const { ok, before, now, differences, skipped } of replayed(reach, known, known, options)) {
      const { status, ms, at } = before;
      const failure = now?.failure ?? null;
      onLine({
        ...{ ok, headline: headline(now ?? before), before: { status, ms, at }, differences },
        failed: failure === null ? null : `${failure.type}: ${failure.message}`,
        ...(skipped !== undefined && { skipped }),
      });
      if (signal.aborted) return;
    }
  }

  async toggleDebug(place: DebugPlace): Promise<void> {
    if (this.#debug !== null) return this.#endDebug();
    const { peer } = this.#linked();
    await this.#beginDebug(place);
    await peer.call('service.debug', { on: true });
  }

  async holdForDebugger(place: DebugPlace): Promise<void> {
    const { peer } = this.#linked();
    if (this.#debug === null) await this.#beginDebug(place);
    await peer.call('service.debug', { on: true, wait: WAIT_S });
  }

  async toggleListen(place: DebugPlace): Promise<void> {
    const { peer } = this.#linked();
    if (this.#listen !== null) return this.#endListen();
    // Without a port it only says what the service was told.
    const { told } = (await peer.call('debug.listen', { port: null })).value;
    const port = Number(told ?? NaN);
    if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
      const is = told === null ? 'is not set' : `is ${told}`;
      throw new DrydockError('usage', `AZUREML_DEBUG_PORT ${is} in the service: no worker dials out.`, {
        hint: 'The debugger is entered the other way round: d.',
      });
    }
    // One launch.json leads either way.
    if (this.#debug !== null) await this.#endDebug();
    const show = (part: Partial<ListenView>) => {
      if (this.#listen === null) return;
      this.#listen = { ...this.#listen, ...part };
      this.#changed();
    };
    this.#editor = new DialledEditor({
      ...{ port, timeoutMs: WAIT_S * 1000 },
      onWaiting: () => show({ worker: 'waits' }),
      onConnected: () => show({ worker: 'debugged' }),
      onGivenUp: () => show({ worker: 'let go' }),
    });
    this.#listen = { port, launch: null, trouble: null, worker: 'none' };
    this.#changed();
    // One may dial before the answer is here.
    await peer.call('debug.listen', { port }).catch(async (error: unknown) => {
      await this.#endListen();
      throw error;
    });
    show(await this.#launch(place, port, 'listen'));
  }

  /** A worker that has dialled out. */
  async dialled(stream: MuxStream): Promise<never> {
    if (this.#editor === null) throw new DrydockError('cancelled', 'Nobody waits for a worker any more.');
    await this.#editor.take(stream);
    return {} as never;
  }

  async #beginDebug(place: DebugPlace): Promise<void> {
    if (this.#listen !== null) await this.#endListen();
    this.#forward = await this.#open();
    const { port } = this.#forward;
    this.#debug = { port, launch: null, trouble: null, stopped: null };
    this.#changed();
    this.#show(await this.#launch(place, port, 'connect'));
  }

  async #endListen(): Promise<void> {
    this.#listen = null;
    this.#editor = null;
    this.#changed();
    await this.#inspected()?.peer.call('debug.listen', { port: null });
  }

  close(): void {
    this.stopAsking();
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

  async #launch(
    { name, dir, root }: DebugPlace,
    port: number,
    way: LaunchWish['way'],
  ): Promise<Pick<ListenView, 'launch'> | Pick<ListenView, 'trouble'>> {
    if (dir === null) return { trouble: 'no folder of this machine is known: the editor has no launch.json of it' };
    try {
      return { launch: await writeLaunch({ name, port, way, dir, root }) };
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
