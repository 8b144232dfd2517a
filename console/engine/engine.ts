/**
 * The engine: keeps one container attached for as long as it runs. It connects, follows the scoring service, runs the
 * sync session, and when the container goes away it waits and goes on; what is shown of all this is one View.
 */
import { DrydockError, type ErrorCode } from '../../shared/core/errors.ts';
import type { EventValue, StreamLast } from '../../shared/core/protocol.ts';
import type { ProbeReport, ReloadResult, ReloadStage, ServiceState, ServiceWishes } from '../../shared/core/service.ts';
import type { Address } from '../../shared/link/http.ts';
import { openKit, type Kit } from '../kit/kit.ts';
import type { Facts, Place, Target } from '../place/place.ts';
import { publishedAt } from './ask.ts';
import { commitContainer, commitPreview } from './commit.ts';
import { commitHooks } from './commit-hooks.ts';
import { FolderSync, type FolderOptions } from './folder-sync.ts';
import { forwardPort, toPort, type Forward } from './forward.ts';
import { describeReload, describeStart } from '../text/reload.ts';
import { openLink, type Link } from './link.ts';
import { Inspection, type DebugPlace, type Inspected } from './inspect.ts';
import { promptIn } from './prompt.ts';
import { readLog } from './log-reader.ts';
import { runProbe } from './probe.ts';
import { RestartConsent, restartContainer, untilAnswers, type RestartWish } from './restart.ts';
import { runImage } from './run.ts';
import { ViewStore } from './view-store.ts';
import type {
  CommitPreview,
  CommitResult,
  Engine,
  EngineEvent,
  LogLine,
  ProbeName,
  RunResult,
  Shell,
  ShellSize,
  View,
  SyncView,
} from './view.ts';

/** Crosses into a worker thread, so it holds plain data only. */
export interface EngineOptions extends FolderOptions {
  /** The container's name or ID. */
  readonly ref: string;
  readonly root?: string;
  readonly wishes: ServiceWishes;
  /** Changed code is reloaded by itself. */
  readonly reload: boolean;
  /** Whether the container may be started again for code that is loaded in no other way. */
  readonly restart: RestartWish;
  readonly kitDir: string;
}

/** How often a container that went away is looked for. Milliseconds. */
const RETRY_MS = 1_000;
/** Lines of log that are kept for whoever subscribes later. */
const LOG_LINES = 10_000;

/** What does not mend itself while one waits: a wrong word of the user's, a folder that another console holds. */
const HOPELESS: readonly ErrorCode[] = ['usage', 'taken'];

interface Attachment {
  readonly target: Target;
  readonly container: Facts;
  readonly link: Link;
}

export class ContainerEngine implements Engine {
  readonly #place: Place;
  readonly #options: EngineOptions;
  readonly #views: ViewStore;
  readonly #folder: FolderSync;
  readonly #consent: RestartConsent;
  readonly #inspection: Inspection;
  /** When the container was told to start again for new code; null when it was not. */
  #restartedAt: number | null = null;
  /** What came of it. */
  #ownReload: ReloadResult | null = null;
  readonly #closing = new AbortController();
  readonly #eventListeners = new Set<(event: EngineEvent) => void>();
  readonly #logListeners = new Set<(lines: readonly LogLine[]) => void>();
  #logLines: LogLine[] = [];
  #attachment: Attachment | null = null;
  #forward: { readonly containerPort: number; readonly forward: Forward } | null = null;
  #lastReload: number | null = null;
  #lastStart: number | null = null;
  #lastExits: ServiceState['exits'] = [];
  #problems: ReadonlySet<string> = new Set();
  #kit: Kit | null = null;
  /** The start of the container that we were attached to last. */
  #attachedTo: string | null = null;
  readonly #running: Promise<void>;

  constructor(place: Place, options: EngineOptions) {
    this.#place = place;
    this.#options = options;
    this.#consent = new RestartConsent(options.restart);
    this.#folder = new FolderSync(options, {
      changed: () => this.#views.touch(),
      event: (event) => {
        if (event.event !== 'ready') return this.#emit(event);
        // Whoever hears of it looks at the view, which must be that of this moment.
        this.#views.touch();
        this.#views.publish();
        this.#emit({ ...event, ...this.#found() });
      },
    });
    this.#inspection = new Inspection(
      () => this.#inspected(),
      options.wishes,
      () => this.#views.touch(),
    );
    const start: View = {
      container: { name: options.ref, id: '', image: '', place: place.label },
      link: { phase: 'connecting', step: 'looking at the container', since: Date.now() },
      agent: null,
      service: null,
      scoreUrl: null,
      sync: this.#folder.view(),
      requests: this.#inspection.requests,
      debug: null,
      listen: null,
      question: null,
      busy: null,
    };
    this.#views = new ViewStore(start, () => {
      const sync = this.#folder.view();
      this.#tellProblems(sync.problems);
      const { requests, debug, listen } = this.#inspection;
      return { sync, requests, debug, listen };
    });
    this.#running = this.#run();
  }

  // Engine ------------------------------------------------------------------------------------------------------------

  subscribe(listener: (view: View) => void): () => void {
    return this.#views.subscribe(listener);
  }

  logs(listener: (lines: readonly LogLine[]) => void): () => void {
    this.#logListeners.add(listener);
    if (this.#logLines.length > 0) listener(this.#logLines);
    return () => this.#logListeners.delete(listener);
  }

  events(listener: (event: EngineEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  async reload(): ReturnType<Engine['reload']> {
    return (await this.#attached().link.control.call('service.reload', {})).value;
  }

  async probe(name: ProbeName, profile = false): ReturnType<Engine['probe']> {
    const { link } = this.#attached();
    const question = { engine: this.#place.label, profile };
    const told = (report: ProbeReport) => this.#emit({ event: 'probed', report });
    return this.#busy('probe', () => runProbe(link, name, question, told));
  }

  async commitPreview(): Promise<CommitPreview> {
    const { target, link } = this.#attached();
    const { bytes: kitBytes } = await this.#getKit();
    // Not waited for: the state tells of it.
    link.control.call('service.check-start', {}).catch(() => undefined);
    return commitPreview(target, this.#place, { ...this.#app(), kitBytes });
  }

  async commit(tag: string): Promise<CommitResult> {
    const { target, link, container } = this.#attached();
    const kit = await this.#getKit();
    const hooks = commitHooks({ link, target, container, kit }, () => this.#folder.quiet());
    return this.#busy('commit', () => commitContainer(target, this.#place, this.#app(), tag, hooks));
  }

  async run(image: string): Promise<RunResult> {
    const { name } = this.#views.view.container;
    return this.#busy('run', async () => runImage(this.#place, { image, name, kit: await this.#getKit() }));
  }

  toggleModels(): Promise<void> {
    return Promise.resolve().then(() => this.#folder.toggleModels());
  }

  score(): ReturnType<Engine['score']> {
    return this.#inspection.score();
  }

  exchange(id: string): ReturnType<Engine['exchange']> {
    return this.#inspection.exchange(id);
  }

  replay(id: string): ReturnType<Engine['replay']> {
    return this.#inspection.replay(id);
  }

  replayAll(): Promise<void> {
    return this.#inspection.replayAll((line) => this.#emit({ event: 'replayed', line }));
  }

  load(rate: number, seconds: number): ReturnType<Engine['load']> {
    return this.#inspection.load(rate, seconds);
  }

  async stopAsking(): Promise<void> {
    this.#inspection.stopAsking();
    return Promise.resolve();
  }

  toggleDebug(): Promise<void> {
    return this.#inspection.toggleDebug(this.#editorPlace());
  }

  holdForDebugger(): Promise<void> {
    return this.#inspection.holdForDebugger(this.#editorPlace());
  }

  toggleListen(): Promise<void> {
    return this.#inspection.toggleListen(this.#editorPlace());
  }

  async shell(size: ShellSize, what?: 'python'): Promise<Shell> {
    const { link } = this.#attached();
    const argv = what === undefined ? undefined : await promptIn(link);
    const { stream } = await link.control.open('shell', { ...size, ...(argv && { argv }), term: 'xterm-256color' });
    const exited = stream.last.then(
      (last) => ({ exitCode: (last as StreamLast<'shell'> | undefined)?.exitCode ?? 0 }),
      () => ({ exitCode: 1 }),
    );
    return {
      write: (data) => stream.write(data),
      resize: (to) => stream.control(to),
      close: () => stream.destroy(),
      onData: (listener) => stream.on('data', listener),
      exited,
    };
  }

  undoable(): ReturnType<Engine['undoable']> {
    return this.#folder.undoable();
  }

  undo(id: string): ReturnType<Engine['undo']> {
    return this.#folder.undo(id);
  }

  compare(kept: string): ReturnType<Engine['compare']> {
    return this.#folder.compare(kept);
  }

  settle(...of: Parameters<Engine['settle']>): ReturnType<Engine['settle']> {
    return this.#folder.settle(...of);
  }

  answer(question: string, value: string): void {
    if (question !== this.#consent.question?.id) return this.#folder.answer(question, value);
    const may = this.#consent.answer(value);
    this.#views.update({ question: null });
    if (may) void this.#restart();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#folder.close();
    this.#attachment?.link.close();
    await this.#running;
    this.#forward?.forward.close();
    this.#inspection.close();
    this.#views.close();
    await this.#place.close();
  }

  // Staying attached --------------------------------------------------------------------------------------------------

  async #run(): Promise<void> {
    let first = true;
    let ref = this.#options.ref;
    while (!this.#closing.signal.aborted) {
      try {
        const attachment = await this.#attach(ref);
        // From now on its name counts: a container recreated under it has another ID.
        ref = attachment.container.name;
        first = false;
        await this.#stay(attachment);
      } catch (error) {
        if (this.#isClosing()) return;
        const known = error instanceof DrydockError ? error : null;
        if (first || known === null || HOPELESS.includes(known.code)) {
          const info = known?.toInfo() ?? { code: 'io' as const, message: bug(error) };
          this.#views.update({ link: { phase: 'failed', error: info } });
          return;
        }
        this.#wait(known.message, known.hint ?? '');
      }
      this.#attachment = null;
      this.#folder.detach();
      await delay(RETRY_MS, this.#closing.signal);
    }
  }

  /** A method, since the signal changes while something is awaited. */
  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  #wait(reason: string, hint: string): void {
    const { link } = this.#views.view;
    if (link.phase === 'waiting' && link.reason === reason) return;
    this.#views.update({ link: { phase: 'waiting', reason, hint, since: Date.now() } });
    this.#emit({ event: 'waiting', reason, hint });
  }

  async #attach(ref: string): Promise<Attachment> {
    const target = await this.#place.open(ref);
    const container = await target.facts();
    const { container: id } = target.id;
    this.#views.update({ container: { name: container.name, id, image: container.image, place: this.#place.label } });
    const incarnation = `${id} ${target.id.startedAt}`;
    const link = await openLink({
      yields: incarnation === this.#attachedTo,
      target,
      container,
      kit: await this.#getKit(),
      ...(this.#options.root === undefined ? {} : { root: this.#options.root }),
      onStep: (step) => {
        if (this.#views.view.link.phase === 'connecting') {
          this.#views.update({ link: { phase: 'connecting', step, since: Date.now() } });
        }
      },
      onEvent: (name, value, attached) => {
        if (name === 'service') this.#serviceChanged(value as ServiceState);
        else if (name === 'request') this.#inspection.heard(value as EventValue<'request'>);
        else this.#folder.heard(name, value, attached);
      },
      bulkService: {
        open: (kind, params, stream) =>
          kind === 'dialled' ? this.#inspection.dialled(stream) : this.#folder.openStream(kind, params, stream),
      },
    });
    try {
      const { wishes, reload } = this.#options;
      const { value: service } = await link.control.call('service.follow', {
        auto: reload,
        ...wishes,
      });
      const attachment = { target, container, link };
      this.#attachment = attachment;
      this.#attachedTo = incarnation;
      this.#lastReload = service.lastReload?.at ?? null;
      this.#lastStart = service.startCheck?.at ?? null;
      this.#lastExits = service.exits;
      this.#views.update({ agent: link.facts, link: { phase: 'up' } });
      this.#serviceChanged(service);
      void this.#awaitRestarted(link);
      this.#inspection.attached(link.control).catch(() => undefined); // the link tells of its own loss
      return attachment;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Until the link is gone; rejects with the reason. */
  async #stay({ target, container, link }: Attachment): Promise<never> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#closing.signal]);
    const lost = link.closed.then((reason) => {
      throw reason;
    });
    lost.catch(() => undefined); // raced below; it may also end after the race
    try {
      void readLog(target, signal, (lines) => this.#logged(lines)).catch(() => undefined); // the link tells of the same loss
      void this.#watchTarget(target, link, signal);
      await Promise.race([lost, this.#folder.attach({ link, target, container })]);
      return await lost;
    } finally {
      over.abort();
      link.close();
    }
  }

  /** A paused container is silent and no less alive; the rest shows as a lost link, with the engine's word for it. */
  async #watchTarget(target: Target, link: Link, signal: AbortSignal): Promise<void> {
    const name = this.#views.view.container.name;
    try {
      for await (const event of target.events(signal)) {
        if (event.type === 'paused') {
          link.control.setPatient(true);
          this.#wait(`${name} is paused.`, `Resume it: docker unpause ${name}`);
        } else if (event.type === 'resumed') {
          link.control.setPatient(false);
          this.#views.update({ link: { phase: 'up' } });
        } else if (event.type === 'died') {
          link.close();
        }
      }
    } catch {
      // no events: the heartbeat finds out, only later
    }
  }

  // What comes in -----------------------------------------------------------------------------------------------------

  #serviceChanged(told: ServiceState): void {
    const own = this.#ownReload;
    const service = own !== null && own.at > (told.lastReload?.at ?? 0) ? { ...told, lastReload: own } : told;
    this.#views.update({ service });
    this.#updateScoreUrl(service);
    this.#tellExits(service.exits);
    this.#tellStart(service.startCheck);
    const { lastReload } = service;
    if (lastReload === null || lastReload.at === this.#lastReload) return;
    this.#lastReload = lastReload.at;
    const { ok, ms, stage, error } = lastReload;
    if (lastReload.needs === 'container-restart') {
      const may = this.#consent.ask(this.#views.view.container.name, error?.message ?? '');
      this.#views.update({ question: this.#consent.question });
      if (may) void this.#restart();
    }
    const lines = describeReload(lastReload).split('\n');
    this.#logged(
      lines.map((text) => ({ stream: ok ? 'stdout' : 'stderr', text: `drydock: ${text}`, at: lastReload.at })),
    );
    this.#emit({
      event: 'reloaded',
      ok,
      ms,
      stage,
      ...(error === undefined ? {} : { error: `${error.type}: ${error.message}` }),
    });
  }

  /** The link is lost by it and made anew, as by anybody's restart. */
  async #restart(): Promise<void> {
    const { target } = this.#attached();
    try {
      await this.#busy('restart', async () => {
        await this.#folder.quiet();
        this.#restartedAt = performance.now();
        await restartContainer(target);
      });
    } catch (error) {
      this.#restartedAt = null;
      this.#restarted('switch', 0, error instanceof Error ? error.message : String(error));
    }
  }

  /** Asks the agent that came with the container's new start. */
  async #awaitRestarted(link: Link): Promise<void> {
    const from = this.#restartedAt;
    if (from === null) return;
    this.#restartedAt = null;
    const health = await untilAnswers(link).catch(() => null);
    if (health === null) return; // it ended: the link tells
    const problem = health === 'healthy' ? null : 'the container was started again, and its service is unhealthy';
    this.#restarted('answer', performance.now() - from, problem);
  }

  /** A reload like any other, which no agent lived to tell of. */
  #restarted(stage: ReloadStage, ms: number, problem: string | null): void {
    const error = { type: 'NotServed', message: problem ?? '', traceback: problem ?? '', frames: [] };
    const done = { ok: problem === null, stage, stages: [{ name: stage, ms }], ms, ...(problem !== null && { error }) };
    this.#ownReload = { ...done, generation: 0, at: Date.now() };
    const { service } = this.#views.view;
    if (service !== null) this.#serviceChanged(service);
  }

  /** Each once, for as long as it stands. */
  #tellProblems(problems: SyncView['problems']): void {
    const key = ({ path, message }: SyncView['problems'][number]) => `${path}\0${message}`;
    const known = this.#problems;
    this.#problems = new Set(problems.map(key));
    for (const problem of problems) if (!known.has(key(problem))) this.#emit({ event: 'problem', ...problem });
  }

  /** Only what speaks against it. */
  #tellStart(check: ServiceState['startCheck']): void {
    if (check === null || check.at === this.#lastStart) return;
    this.#lastStart = check.at;
    const message = describeStart(check);
    if (message === null) return;
    this.#emit({ event: 'start', ok: check.ok, message });
    this.#logged([{ stream: 'stderr', text: `drydock: ${message}`, at: check.at }]);
  }

  /** In the log as well, among the lines that the service wrote at that moment. */
  #tellExits(exits: ServiceState['exits']): void {
    const key = ({ at, words }: ServiceState['exits'][number]) => `${at} ${words}`;
    const known = new Set(this.#lastExits.map(key));
    const fresh = exits.filter((exit) => !known.has(key(exit)));
    this.#lastExits = exits;
    for (const exit of fresh) this.#emit({ event: 'exit', ...exit });
    if (fresh.length > 0) {
      this.#logged(fresh.map(({ words, at }) => ({ stream: 'stderr', text: `drydock: ${words}`, at })));
    }
  }

  /** The port as published on this machine, else a forwarded one over the link. */
  #updateScoreUrl(service: ServiceState): void {
    const { port, scorePath } = service;
    if (port === null || this.#attachment === null) return;
    const { link, container } = this.#attachment;
    const published = publishedAt({ container, agent: link.facts, service });
    const show = ({ host, port: at }: Address) =>
      this.#views.update({ scoreUrl: `http://${host.includes(':') ? `[${host}]` : host}:${at}${scorePath}` });
    const forwarded = (forward: Forward) => show({ host: '127.0.0.1', port: forward.port });
    if (published !== null) {
      show(published);
    } else if (this.#forward?.containerPort === port) {
      forwarded(this.#forward.forward);
    } else {
      this.#forward?.forward.close();
      this.#forward = null;
      void forwardPort(toPort(port), () => this.#attachment?.link.control ?? null).then((forward) => {
        this.#forward = { containerPort: port, forward };
        forwarded(forward);
      });
    }
  }

  #inspected(): Inspected | null {
    if (this.#attachment === null) return null;
    const { link, container } = this.#attachment;
    const { service, sync } = this.#views.view;
    return {
      peer: link.control,
      published: service && publishedAt({ container, agent: link.facts, service }),
      scorePath: service?.scorePath ?? '/score',
      dir: sync.dir,
    };
  }

  #found(): Pick<ServiceState, 'found'> | undefined {
    const { service } = this.#views.view;
    return service === null ? undefined : { found: service.found };
  }

  #logged(lines: readonly LogLine[]): void {
    this.#logLines = [...this.#logLines, ...lines].slice(-LOG_LINES);
    for (const listener of this.#logListeners) listener(lines);
  }

  #emit(event: EngineEvent): void {
    for (const listener of this.#eventListeners) listener(event);
  }

  // Asking ------------------------------------------------------------------------------------------------------------

  #attached(): Attachment {
    if (this.#attachment !== null && !this.#attachment.link.control.isClosed) return this.#attachment;
    const { link, container } = this.#views.view;
    const reason = link.phase === 'waiting' ? link.reason : `${container.name} is not attached yet.`;
    throw new DrydockError('link-lost', reason, {
      hint: link.phase === 'waiting' ? link.hint : 'Wait until the header says that the link is up.',
    });
  }

  async #getKit(): Promise<Kit> {
    return (this.#kit ??= await openKit(this.#options.kitDir));
  }

  #editorPlace(): DebugPlace {
    const { container, sync } = this.#views.view;
    return { name: container.name, dir: sync.dir, root: this.#app().root };
  }

  #app(): { root: string; injected: boolean } {
    const { agent } = this.#views.view;
    return { root: agent?.root ?? '/', injected: agent?.wayIn === 'injected' };
  }

  async #busy<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#views.update({ busy: { what, since: Date.now() } });
    try {
      return await work();
    } finally {
      this.#views.update({ busy: null });
    }
  }
}

function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}

function bug(error: unknown): string {
  return `This is a bug in Drydock: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
