/**
 * The container's models as the console knows them, and the wish to have them here. They go one way, from the container
 * to this machine; a wish outlives the link, and a model that changed meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DrydockError } from '../../../shared/core/errors.ts';
import { MODELS, modelsOf, pathOf, type Model, type ModelList } from '../../../shared/core/models.ts';
import { codeOf } from '../../../shared/disk/errno.ts';
import { checkPath } from '../../../shared/link/wire-tree.ts';
import type { Link } from '../link.ts';
import type { Journal } from '../sync/journal.ts';
import type { EngineEvent, FileRow, ModelsView } from '../view.ts';
import { Changed, fetchModels, proofOf, unusable, type Progress } from './fetch.ts';
import { HostModels } from './host-models.ts';
import { hereOf, likenessOf, type Here } from './plan.ts';

export interface ModelsOptions {
  /** Whatever comes is fetched, not only when it is asked for. */
  readonly always: boolean;
  /** `--replace-models` */
  readonly replace: boolean;
  readonly changed: () => void;
  readonly event: (event: EngineEvent) => void;
}

/** Where models go: the folder and its journal, or why they go nowhere. */
export type Destination =
  | { readonly dir: string; readonly journal: Journal }
  /** `done`: they are here without it. */
  | {
      readonly none: string;
      readonly hint: string;
      /** Whether the models in that folder of the container are here without it. */
      readonly done: (folder: string | null) => boolean;
    };

/** Milliseconds between two looks at this machine's copies, which nobody watches: this, or so many times as long as one takes. */
const LOOK = 5_000;
const SHARE = 250;
/** Between two pictures of the progress, and between two events of it. Milliseconds. */
const SHOW = 100;
const TELL = 500;
/** A model that is being written is fetched when it has rested this long. Milliseconds. */
const REST = 500;

export class Models {
  readonly #options: ModelsOptions;
  readonly #proven = new Set<string>();
  #link: Link | null = null;
  #list: ModelList | null = null;
  #models: readonly Model[] = [];
  #here = new Map<Model, Here>();
  #to: Destination | null = null;
  #wanted: boolean;
  /** The list has changed since the fetch began. */
  #stale = false;
  #run: { readonly abort: AbortController; readonly over: Promise<void> } | null = null;
  #fetch: ModelsView['fetch'] = null;
  #timer: NodeJS.Timeout | null = null;
  /** Models were told of. */
  #told = false;

  constructor(options: ModelsOptions) {
    this.#options = options;
    this.#wanted = options.always;
  }

  /** Rejects as the link does. */
  async attach(link: Link, to: Destination): Promise<void> {
    this.#link = link;
    this.#to = to;
    const { value } = await link.control.call('model.list', { watch: true });
    if (this.#link === link) this.heard(value);
  }

  /** Models that came, went or changed. */
  heard(list: ModelList): void {
    for (const { path } of list.entries) checkPath(path);
    this.#list = list;
    this.#models = modelsOf(list.entries);
    this.#stale = true;
    this.#look();
    const { models } = this.view();
    if (models.length > 0 || this.#told) this.#options.event({ event: 'models', folder: list.folder, models });
    this.#told = models.length > 0;
    if (this.#options.always) this.#wanted = true;
    this.#start();
  }

  detach(): void {
    this.#link = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Fetches what is missing, or stops doing so. Throws where nothing can be fetched. */
  toggle(): void {
    if (this.#run !== null) {
      this.#wanted = false;
      this.#run.abort.abort(
        new DrydockError('cancelled', 'Fetching was stopped.', {
          hint: 'It goes on where it stopped when it is asked for again.',
        }),
      );
      return;
    }
    if (this.#to === null || this.#list === null) {
      throw new DrydockError('link-lost', 'The container’s models are not known yet.', {
        hint: 'Wait until the header says that the link is up.',
      });
    }
    this.#wanted = true;
    this.#start();
  }

  /** Until the next `attach`: folder and journal are not used after this. */
  async pause(): Promise<void> {
    this.detach();
    this.#to = null;
    this.#run?.abort.abort(new DrydockError('link-lost', 'The folder is opened anew.'));
    await this.#run?.over;
  }

  view(): ModelsView {
    const models = this.#models.map((model) => {
      const { name, version, entries, bytes, left } = model;
      return { name, version, files: entries.length, bytes, left: left.length, here: this.#here.get(model) ?? 'none' };
    });
    return { models, fetch: this.#fetch };
  }

  /** For the Files pane, where models go somewhere. */
  rows(): readonly FileRow[] {
    if (this.#to === null || ('none' in this.#to && this.#isDone(this.#to))) return [];
    return this.view().models.map((model) => ({
      path: [MODELS, pathOf(model)].filter((part) => part !== '').join('/'),
      kind: 'dir' as const,
      size: model.bytes,
      last: null,
      state: model.here === 'whole' ? ('copied' as const) : ('container-only' as const),
      note: noteOf(model),
    }));
  }

  #isDone(to: Extract<Destination, { none: string }>): boolean {
    return to.done(this.#list?.folder ?? null);
  }

  // Here --------------------------------------------------------------------------------------------------------------

  #look(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const from = performance.now();
    const to = this.#to;
    const host = to === null || 'none' in to ? null : new HostModels(to.dir);
    const before = [...this.#here.values()].join(' ');
    this.#here = new Map(
      this.#models.map((model) => {
        if (host === null) return [model, to !== null && 'none' in to && this.#isDone(to) ? 'whole' : 'none'] as const;
        const alike = model.entries.map((entry) => {
          const found = host.look(entry.path);
          const isProven = entry.kind === 'file' && this.#proven.has(proofOf(entry, found));
          return isProven ? ('same' as const) : likenessOf(entry, found);
        });
        return [model, hereOf(alike)] as const;
      }),
    );
    if (this.#link === null) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(LOOK, SHARE * (performance.now() - from))).unref();
    if ([...this.#here.values()].join(' ') !== before) this.#options.changed();
  }

  // Fetching ----------------------------------------------------------------------------------------------------------

  #start(): void {
    const [link, list, to] = [this.#link, this.#list, this.#to];
    if (!this.#wanted || this.#run !== null || link === null || list === null || to === null) return;
    if ('none' in to) {
      this.#wanted = false;
      const nothing = { files: 0, bytes: 0, transferred: 0, resumed: 0, kept: [], ms: 0 };
      if (this.#models.length === 0 || this.#isDone(to)) this.#fetched(nothing);
      else this.#failed(new DrydockError('halted', to.none, { hint: to.hint }));
      return;
    }
    this.#stale = false;
    const abort = new AbortController();
    const over = this.#fetchAll(link, list, to, abort.signal)
      .catch((error: unknown) => this.#broke(abort.signal.aborted ? abort.signal.reason : error))
      .finally(() => {
        this.#run = null;
        this.#fetch = null;
        this.#look();
        this.#options.changed();
        if (this.#options.always && this.#stale) this.#wanted = true;
        if (this.#stale) this.#start();
      });
    this.#run = { abort, over };
  }

  #broke(error: unknown): void {
    const known = error instanceof DrydockError ? error : codeOf(error) === '' ? null : unusable(error, null);
    if (known === null) throw error;
    // It goes on when the link is back.
    if (known.code === 'link-lost') return;
    this.#wanted = false;
    this.#failed(known);
  }

  async #fetchAll(
    link: Link,
    first: ModelList,
    to: { dir: string; journal: Journal },
    signal: AbortSignal,
  ): Promise<void> {
    const from = performance.now();
    const bulk = await link.bulk;
    let before = 0;
    for (let list = first; ; list = await this.#rested(link, signal)) {
      const { folder, entries, whole } = list;
      if (!whole) {
        throw new DrydockError('halted', `${folder ?? MODELS} holds more files than can be listed.`, {
          hint: `Copy it by: docker cp CONTAINER:${folder ?? MODELS} ${to.dir}`,
        });
      }
      const teller = this.#teller();
      try {
        const done = await fetchModels({
          folder: folder ?? '',
          models: modelsOf(entries),
          bulk,
          host: new HostModels(to.dir),
          journal: to.journal,
          replace: this.#options.replace,
          signal,
          proven: this.#proven,
          onProgress: teller.tell,
        });
        this.#wanted = false;
        this.#fetched({ ...done, transferred: before + done.transferred, ms: performance.now() - from });
        return;
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        before += teller.transferred();
        this.#options.event({ event: 'refetching', path: `${MODELS}/${error.path}` });
      }
    }
  }

  /** The list, once two of them in a row are the same. */
  async #rested(link: Link, signal: AbortSignal): Promise<ModelList> {
    for (let text = ''; ;) {
      const { value } = await link.control.call('model.list', { watch: false }, { signal });
      const now = JSON.stringify(value);
      for (const { path } of value.entries) checkPath(path);
      if (now === text) return value;
      text = now;
      await delay(REST, undefined, { signal });
    }
  }

  #teller(): { readonly tell: (progress: Progress) => void; readonly transferred: () => number } {
    let last: Progress = { phase: 'comparing', bytes: 0, total: 0, transferred: 0, free: 0 };
    let began = performance.now();
    let [shown, told] = [-Infinity, -Infinity];
    const tell = (progress: Progress) => {
      const now = performance.now();
      if (progress.phase !== last.phase) [began, shown, told] = [now, -Infinity, -Infinity];
      last = progress;
      if (progress.total === 0 || now - shown < SHOW) return;
      shown = now;
      const rate = Math.round((progress.transferred / Math.max(1, now - began)) * 1000);
      this.#fetch = { ...progress, rate };
      this.#options.changed();
      if (now - told < TELL) return;
      told = now;
      this.#options.event({ event: 'fetching', ...this.#fetch });
    };
    return { tell, transferred: () => last.transferred };
  }

  #fetched(done: Omit<Extract<EngineEvent, { event: 'fetched' }>, 'event'>): void {
    this.#options.event({ event: 'fetched', ...done });
  }

  #failed(error: DrydockError): void {
    this.#options.event({ event: 'unfetched', error: error.toInfo() });
  }
}

function noteOf({ files, here, left }: ModelsView['models'][number]): string {
  const more = left === 0 ? [] : [`${left} cannot be copied`];
  return [`${files} ${files === 1 ? 'file' : 'files'}`, ...(HERE[here] === '' ? [] : [HERE[here]]), ...more].join(
    ' · ',
  );
}

const HERE: Readonly<Record<Here, string>> = {
  none: '',
  whole: '',
  part: 'part of it is here',
  unsure: 'here, not compared',
  differs: 'differs here',
};
