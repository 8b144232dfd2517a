/** Runs a sync session: carries out what `step` asks for against two endpoints, the log and the journal. */
import { manyAtOnce } from '../../../shared/core/many.ts';
import { DrydockError } from '../../../shared/core/errors.ts';
import {
  ContentMoved,
  type Endpoint,
  type Observation,
  type Victim,
  type Watch,
} from '../../../shared/core/sync/endpoint.ts';
import type { Policy } from '../../../shared/core/sync/attach.ts';
import { RULE_FILES } from '../../../shared/core/sync/ignore.ts';
import { isSettled, newSession, step } from '../../../shared/core/sync/session.ts';
import type { Effect, Planned, SessionConfig, SessionEvent, SessionState } from '../../../shared/core/sync/state.ts';
import { count, EMPTY, type Path, type Side } from '../../../shared/core/sync/tree.ts';
import type { EngineEvent, SyncView } from '../view.ts';
import type { Clock } from './clock.ts';
import { ContentCache, contentFor } from './content.ts';
import { problemsOf, Rows } from './rows.ts';
import { keyOf, type ContainerIdentity, type OpenHistory, type SyncStore } from './store.ts';
import { Victims } from './victims.ts';

export interface SyncOptions {
  readonly host: Endpoint;
  readonly container: { readonly endpoint: Endpoint; readonly identity: ContainerIdentity } | null;
  /** Closed by the session. */
  readonly store: SyncStore;
  readonly policy: Policy;
  readonly clock: Clock;
  /** What is known already of the bytes of either side. */
  readonly contents?: ContentCache;
  onEvent(event: EngineEvent): void;
  /** The view differs. */
  onChange?(): void;
  /** A folder that was missing is there: what its endpoint found out when it was opened may be wrong by now. */
  onBack?(): void;
  /** The ignore rules that both ends look with are still the folder's. Once they are not, nothing is sent any more. */
  rulesHold?(): Promise<boolean>;
  /** The host's folder is a home folder or a file system's root. */
  readonly delicate?: boolean;
  /** What the user has said beforehand of brakes that stopped an earlier start. */
  readonly said?: SessionConfig['said'];
  /** Tests leave a brake out. */
  readonly brakes?: SessionConfig['brakes'];
  /** Tests leave a measure out. */
  readonly without?: SyncMeasure | undefined;
}

/**
 * What keeps edits safe on their way, each by itself; a test leaves one out and must then lose something.
 *
 * `delete-hold` a delete waits a moment for what comes in its place · `intents` what is sent is logged before · `journal`
 * what was replaced or deleted is kept · `journal-first` before it goes, where nobody else ever held it · `identity` a
 * history belongs to one container.
 */
export type SyncMeasure = 'delete-hold' | 'intents' | 'journal' | 'journal-first' | 'identity';

export type SyncCounts = Pick<SyncView, 'phase' | 'files' | 'out' | 'in' | 'conflicts' | 'rows' | 'problems'> &
  Pick<Partial<SyncView>, 'halted' | 'question'>;

export interface SyncSession {
  start(): Promise<void>;
  /** The same incarnation as before goes on; another one is met as SYNC's rules say. */
  attachContainer(endpoint: Endpoint, identity: ContainerIdentity): Promise<void>;
  /** What is edited meanwhile waits. */
  detachContainer(): void;
  answer(question: string, value: string): void;
  /** Everything observed is agreed and durable. Rejects with DrydockError `halted` when that waits for the user, `io` for the disk of this machine. */
  quiet(): Promise<void>;
  /** Looks at both folders anew first. */
  settleOnce(): Promise<void>;
  /** The part of SyncView that sync knows. */
  view(): SyncCounts;
  /** Keeps what both sides agree on; returns what the label of an image committed now must say. */
  saveTree(): Promise<string>;
  /** The endpoints stay open: they are the caller's. */
  close(): Promise<void>;
}

export function createSyncSession(options: SyncOptions): SyncSession {
  return new Driver(options);
}

/** After a log could not be written, it is tried again. Milliseconds. */
const LOG_AGAIN = 5_000;
/** Files and folders of the container's side that the console remembers: more than one answer of the agent can tell. */
const MAX_NODES = 300_000;
/** Versions that are read for the journal before a batch. */
const READ_AT_ONCE = 8;

type Untimed = SessionEvent extends infer E ? (E extends { readonly now: number } ? Omit<E, 'now'> : never) : never;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class Driver implements SyncSession {
  readonly #options: SyncOptions;
  readonly #cache: ContentCache;
  readonly #rows = new Rows();
  #state: SessionState;
  #endpoints: Record<Side, Endpoint | null>;
  #watches: Record<Side, Watch | null> = { host: null, container: null };
  #victims: Record<Side, Victims | null> = { host: null, container: null };
  #history: OpenHistory | null = null;
  /** The session works on `#history`. */
  #met = false;
  /** Why the log or the journal could not be written last. */
  #unwritten: string | null = null;
  /** Something is missing in the log: it is to be written whole. */
  #lags = false;
  #retry: (() => void) | null = null;
  /** Grows with every attach, so that what an earlier connection still tells is not taken for news. */
  #generation = 0;
  #confirming: Promise<void> | undefined;
  #events: SessionEvent[] = [];
  #running = false;
  #wakeAt = Infinity;
  #cancelWake: () => void = () => undefined;
  #waiters: Waiter[] = [];
  #travelled = { out: 0, in: 0 };
  /** The ignore rules are others by now: this session sends nothing any more. */
  #isOutdated = false;
  /** Nodes that the container's side told of since they were last counted. */
  #told = 0;
  #closed = false;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#cache = options.contents ?? new ContentCache();
    this.#endpoints = { host: options.host, container: null };
    const { policy, delicate, said, brakes, without } = options;
    this.#state = newSession({
      policy,
      holdDeletes: without !== 'delete-hold',
      ...(delicate === undefined ? {} : { delicate }),
      ...(said === undefined ? {} : { said }),
      ...(brakes === undefined ? {} : { brakes }),
    });
  }

  async start(): Promise<void> {
    const { host, container } = this.#options;
    this.#watches.host = await this.#watch('host', host, () => !this.#closed);
    this.#victims.host = this.#victimsOf('host', host);
    this.#dispatch({ type: 'host-attached', info: host.info });
    if (container !== null) await this.attachContainer(container.endpoint, container.identity);
  }

  async attachContainer(endpoint: Endpoint, identity: ContainerIdentity): Promise<void> {
    this.detachContainer();
    const generation = this.#generation;
    const isCurrent = () => generation === this.#generation && !this.#closed;
    const isSame = this.#options.without === 'identity' || this.#history?.key === keyOf(identity);
    if (this.#history === null || !isSame) {
      await this.#history?.close();
      this.#history = null;
      this.#met = false;
      const look = async () => (await endpoint.scan()).root;
      const opened = await this.#options.store.open(identity, this.#options.clock.now(), look);
      if (!isCurrent()) {
        await opened.close();
        return;
      }
      this.#history = opened;
    }
    void this.#write(() => this.#history?.log?.attached(this.#options.clock.now()));
    const watch = await this.#watch('container', endpoint, isCurrent);
    if (!isCurrent()) {
      await watch.close();
      return;
    }
    this.#watches.container = watch;
    this.#endpoints.container = endpoint;
    this.#victims.container = this.#victimsOf('container', endpoint);
    const news = this.#met ? null : this.#history;
    this.#met = true;
    this.#dispatch({
      type: 'container-attached',
      info: endpoint.info,
      history: news?.history ?? null,
      intents: news?.intents ?? [],
      created: news?.log?.created ?? { host: [], container: [] },
      mounts: news?.mounts ?? null,
    });
  }

  detachContainer(): void {
    this.#generation++;
    // The link may be gone with the container: nobody waits for the watch to end.
    void this.#watches.container?.close().catch(() => undefined);
    this.#watches.container = null;
    this.#victims.container?.close();
    this.#victims.container = null;
    if (this.#endpoints.container === null) return;
    this.#endpoints.container = null;
    this.#dispatch({ type: 'container-detached' });
  }

  answer(question: string, value: string): void {
    this.#dispatch({ type: 'answered', question, value });
  }

  async quiet(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#wakeWaiters();
    });
    await this.#rewrite();
    await this.#history?.log?.durable();
    await this.#confirming;
    await Promise.all([this.#victims.host?.settled(), this.#victims.container?.settled()]);
    await this.#options.store.journal.flush();
  }

  async settleOnce(): Promise<void> {
    this.#dispatch({ type: 'rescan' });
    await this.quiet();
  }

  view(): SyncCounts {
    const { phase, halted, question } = this.#state;
    const rows = this.#rows.of(this.#state);
    return {
      phase,
      files: rows.length,
      out: this.#travelled.out,
      in: this.#travelled.in,
      conflicts: this.#rows.conflicts(this.#state),
      rows,
      problems: [
        ...problemsOf(this.#state),
        ...[this.#unwritten, ...this.#unkept().map(({ message }) => message)].flatMap((trouble) =>
          trouble === null ? [] : [{ path: '', message: `on this machine: ${trouble}` }],
        ),
      ],
      ...(halted === null ? {} : { halted }),
      ...(question === null ? {} : { question }),
    };
  }

  saveTree(): Promise<string> {
    return this.#options.store.saveTree(this.#state.base);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    // Begins at once; what it waits for, the log's own end waits for as well.
    void this.#rewrite();
    this.detachContainer();
    this.#closed = true;
    this.#cancelWake();
    this.#retry?.();
    this.#wakeWaiters();
    await this.#watches.host?.close();
    // What cannot be kept waits in the folder for the next console.
    await this.#victims.host?.settled().catch(() => undefined);
    this.#victims.host?.close();
    await this.#confirming;
    await this.#history?.close();
    await this.#options.store.close();
  }

  #watch(side: Side, endpoint: Endpoint, isCurrent: () => boolean): Promise<Watch> {
    return endpoint.watch(
      (batch) => {
        if (isCurrent()) this.#observed(side, batch);
      },
      () => {
        if (isCurrent()) this.#dispatch({ type: 'hints-lost', side });
      },
    );
  }

  #observed(side: Side, batch: readonly Observation[]): void {
    for (const { node, data } of batch) {
      if (data !== undefined && node?.kind === 'file') this.#cache.put(node.digest, data);
    }
    this.#dispatch({ type: 'observed', side, batch });
    if (side === 'host') this.#lookAtRules(batch);
    else this.#bound(batch);
  }

  /** Both sides may have got the same rules by themselves, so that nothing is sent. */
  #lookAtRules(seen: readonly { readonly path: Path }[]): void {
    if (seen.some(({ path }) => RULE_FILES.includes(path))) void this.#rulesHold();
  }

  async #rulesHold(): Promise<boolean> {
    if (this.#options.rulesHold === undefined || (await this.#options.rulesHold())) return true;
    this.#isOutdated = true;
    this.#wakeWaiters();
    return false;
  }

  /** Throws DrydockError `protocol-violation` when the container's side tells of ever more files. */
  #bound(batch: readonly Observation[]): void {
    for (const { node } of batch) this.#told += 1 + (node === null ? 0 : count(node));
    if (this.#told < MAX_NODES / 4) return;
    this.#told = 0;
    const { tree } = this.#state.container;
    if (tree === null || count(tree, MAX_NODES) < MAX_NODES) return;
    throw new DrydockError(
      'protocol-violation',
      `The container’s folder is said to hold more than ${MAX_NODES} files.`,
      {
        hint: 'What comes and goes there is best ignored: .drydockignore.',
      },
    );
  }

  /** One event at a time: what an effect brings at once waits for its turn. */
  #dispatch(event: Untimed): void {
    if (this.#closed) return;
    this.#events.push({ ...event, now: this.#options.clock.now() });
    if (this.#running) return;
    this.#running = true;
    const wasMissing = isMissing(this.#state);
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const [state, effects] = step(this.#state, next);
        this.#state = state;
        for (const effect of effects) this.#run(effect);
      }
    } finally {
      this.#running = false;
    }
    this.#wakeWaiters();
    this.#options.onChange?.();
    if (wasMissing && !isMissing(this.#state)) this.#options.onBack?.();
  }

  #run(effect: Effect): void {
    switch (effect.kind) {
      case 'scan':
        void this.#scan(effect.side, effect.id);
        break;
      case 'apply':
        void this.#apply(effect.side, effect.id, effect.changes);
        break;
      case 'log':
        void this.#write(() => this.#history?.log?.moved(effect.moves));
        break;
      case 'settled':
        void this.#write(() => this.#history?.log?.settled(effect.side, null));
        break;
      case 'adopt':
        void this.#write(() => this.#history?.adopt(effect.base, this.#options.clock.now()));
        break;
      case 'journal':
        this.#keep(effect.side, effect.change, effect.victim);
        break;
      case 'wake':
        this.#wake(effect.at);
        break;
      case 'synced':
        this.#synced(effect.path, effect.to, effect.ms);
        break;
      case 'conflict':
        this.#options.onEvent({ event: 'conflict', path: effect.path, kept: effect.kept ?? 'journal' });
        break;
      case 'halted':
        this.#options.onEvent({ event: 'halted', reason: effect.reason, hint: effect.hint });
        break;
      case 'ready':
        this.#ready();
        break;
      case 'idle':
        this.#idle();
        break;
    }
  }

  async #scan(side: Side, id: number): Promise<void> {
    const endpoint = this.#endpoints[side];
    if (endpoint === null) return;
    try {
      const { root } = await endpoint.scan();
      this.#dispatch({ type: 'scanned', side, id, root });
    } catch (error) {
      this.#dispatch({ type: 'scan-failed', side, id, message: textOf(error) });
    }
  }

  async #apply(side: Side, id: number, changes: readonly Planned[]): Promise<void> {
    const endpoint = this.#endpoints[side];
    if (endpoint === null || !(await this.#rulesHold())) return;
    try {
      await this.#victims[side]?.room();
      if (this.#endpoints[side] !== endpoint || this.#closed) return;
      await this.#secure(side, endpoint, changes);
      const log = this.#history?.log;
      // Written before anything is sent. Nothing waits until it is durable, since what is seen after the answer would be
      // heard before it, and whatever follows in the log is durable no sooner.
      if (this.#options.without !== 'intents')
        void this.#write(() => log?.intends(side, id, changes, this.#options.clock.now()));
      const outcomes = await endpoint.apply(changes, this.#content(side));
      for (const outcome of outcomes) {
        if (outcome.result !== 'refused' || outcome.data === undefined || outcome.found?.kind !== 'file') continue;
        this.#cache.put(outcome.found.digest, outcome.data);
      }
      this.#dispatch({ type: 'applied', side, id, outcomes });
      if (side === 'host') this.#lookAtRules(changes);
      void this.#write(() => log?.settled(side, id));
    } catch (error) {
      // Some of it may be done, and its victims wait.
      void this.#victims[side]?.ask();
      this.#dispatch({ type: 'apply-failed', side, id, message: textOf(error) });
    }
  }

  /** Before versions go that nobody else ever held. One that is no more will be refused, and is news. */
  async #secure(side: Side, endpoint: Endpoint, changes: readonly Planned[]): Promise<void> {
    if (this.#options.without === 'journal-first') return;
    const at = this.#options.clock.now();
    const sole = changes.filter((change) => change.sole === true);
    await manyAtOnce(READ_AT_ONCE, sole, async ({ path, before, after }) => {
      if (before?.kind !== 'file') return;
      try {
        const bytes = endpoint.read(path, before.digest);
        await this.#options.store.journal.record({ at, side, path, before, after }, bytes);
      } catch (error) {
        if (!(error instanceof ContentMoved)) throw error;
      }
    });
  }

  #victimsOf(side: Side, endpoint: Endpoint): Victims {
    const { store, clock } = this.#options;
    const keeps = this.#options.without !== 'journal';
    const onChange = () => {
      this.#wakeWaiters();
      this.#options.onChange?.();
    };
    const victims = new Victims({ side, endpoint, journal: store.journal, clock, keeps, onChange });
    void victims.ask();
    return victims;
  }

  /** Why versions that went are not in the journal yet: until they are, no other batch goes. */
  #unkept(): DrydockError[] {
    const { host, container } = this.#victims;
    return [host, container].flatMap((victims) => victims?.trouble ?? []);
  }

  #keep(side: Side, { path, before, after, sole }: Planned, victim: Victim | null): void {
    if (before === null) return;
    // A sole one is there already, unless it had moved when it was to be kept.
    this.#victims[side]?.take({ path, before, after }, victim, sole !== true);
  }

  /**
   * A base that is not written lags, which costs a false conflict after a crash at the worst; sync goes on, and the
   * log is written whole as soon as it can be. Resolves when it is durable, or will not be.
   */
  async #write(work: () => void): Promise<void> {
    try {
      work();
      await this.#history?.log?.durable();
    } catch (error) {
      this.#lags = true;
      this.#retry ??= this.#options.clock.after(LOG_AGAIN, () => {
        this.#retry = null;
        void this.#rewrite();
      });
      this.#unwritten = textOf(error);
      this.#options.onChange?.();
    }
  }

  /**
   * Writes the log whole if that is due, and only while nothing is under way. What was chosen and is not carried out yet
   * is no base that a log may hold.
   */
  async #rewrite(): Promise<void> {
    const { base, chosen } = this.#state;
    const history = this.#history;
    if (history === null || chosen !== EMPTY || !isSettled(this.#state)) return;
    if (!this.#lags && history.log?.isOutgrown !== true) return;
    this.#lags = false;
    this.#unwritten = null;
    await this.#write(() =>
      history.log === null ? history.adopt(base, this.#options.clock.now()) : history.log.rewrite(base),
    );
  }

  #content(side: Side) {
    return contentFor(side, {
      state: () => this.#state,
      endpoint: (of) => this.#endpoints[of],
      cache: this.#cache,
      journal: this.#options.store.journal,
    });
  }

  #synced(path: Path, to: Side, ms: number): void {
    this.#rows.travelled(path, { to, ms, at: this.#options.clock.now() });
    this.#travelled[to === 'container' ? 'out' : 'in']++;
    this.#options.onEvent({ event: 'synced', path, to, ms });
  }

  #ready(): void {
    const { host, container } = this.#state;
    const root = container.info?.root ?? '';
    this.#options.onEvent({
      event: 'ready',
      dir: this.#options.store.dir,
      root,
      files: this.#rows.of(this.#state).length,
    });
    const mounts = { host: host.info?.mount ?? false, container: container.info?.mount ?? false };
    this.#confirming = this.#history
      ?.confirm(mounts, this.#options.clock.now())
      .catch((error: unknown) => void (this.#unwritten = textOf(error)));
  }

  #idle(): void {
    this.#options.onEvent({ event: 'idle' });
    this.#cache.clear(); // all of it has travelled
    void this.#rewrite();
    this.#options.store.journal.prune(this.#options.clock.now()).catch((error: unknown) => {
      this.#unwritten = textOf(error);
    });
  }

  /** One timer: a later wish waits for what the tick at the earlier one asks. */
  #wake(at: number): void {
    if (at >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = at;
    this.#cancelWake = this.#options.clock.after(Math.max(1, Math.ceil(at - this.#options.clock.now())), () => {
      this.#wakeAt = Infinity;
      this.#dispatch({ type: 'tick' });
    });
  }

  #wakeWaiters(): void {
    const { question, halted } = this.#state;
    const [unkept] = this.#unkept();
    if (isSettled(this.#state)) {
      for (const { resolve } of this.#waiters.splice(0)) resolve();
    } else if (question !== null || halted !== null) {
      const error = new DrydockError('halted', question?.text ?? halted?.reason ?? '', { hint: halted?.hint });
      for (const { reject } of this.#waiters.splice(0)) reject(error);
    } else if (unkept !== undefined) {
      for (const { reject } of this.#waiters.splice(0)) reject(unkept);
    } else if (this.#closed || this.#isOutdated) {
      const error = new DrydockError('cancelled', 'Sync was closed.');
      for (const { reject } of this.#waiters.splice(0)) reject(error);
    }
  }
}

function isMissing({ brake }: SessionState): boolean {
  return brake?.name === 'root-missing';
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
