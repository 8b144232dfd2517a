/**
 * The folder's part of the engine: which folder of this machine it is, the session that keeps it equal to the
 * container's, and what is shown of it. It outlives links: a container that comes back goes on with the same session.
 */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { DrydockError } from '../../shared/core/errors.ts';
import { MODELS, type ModelList } from '../../shared/core/models.ts';
import type { EventName, EventValue, StreamKind, StreamOpened, StreamParams } from '../../shared/core/protocol.ts';
import type { Policy } from '../../shared/core/sync/attach.ts';
import { compileIgnore } from '../../shared/core/sync/ignore.ts';
import { nodeAt, type Digest } from '../../shared/core/sync/tree.ts';
import { openDisk, type DiskEndpoint } from '../../shared/disk/disk.ts';
import { violation } from '../../shared/link/frames.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import type { Facts, Target } from '../place/place.ts';
import { BoundFolder } from './bound-folder.ts';
import { findHostFolder, folderFor, isDelicate, type EntryScript, type HostFolder } from './host-folder.ts';
import { identityOf } from './identity.ts';
import type { Link } from './link.ts';
import { Models, type Destination } from './models/models.ts';
import { EndpointRouter, RemoteEndpoint } from './remote-endpoint.ts';
import { FolderRules, readRules } from './rules.ts';
import { isWithin } from './snapshot-mounts.ts';
import { folderActions, type FolderActions } from './sync/actions.ts';
import { compare } from './sync/compare.ts';
import { serveHolder } from './sync/holder.ts';
import { withHostPaths } from './sync/host-disk.ts';
import type { Conflict } from './sync/rows.ts';
import { describeAction } from './sync/undo.ts';
import { systemClock } from './sync/clock.ts';
import { ContentCache } from './sync/content.ts';
import { createSyncSession, type SyncOptions, type SyncSession } from './sync/driver.ts';
import { SyncStore } from './sync/store.ts';
import type { Comparison, EngineEvent, Question, SyncView, Take, Undoable, Undone } from './view.ts';

export interface FolderOptions {
  /** `--dir`, absolute. */
  readonly dir?: string;
  /** Where the user stands. */
  readonly cwd: string;
  /** What to do where both sides have content and no history proves anything. */
  readonly policy: Policy;
  /** What the user has said beforehand of brakes. */
  readonly said?: SyncOptions['said'];
  /** History and journal of this user. */
  readonly stateDir: string;
  /** `azureml-models` is copied to this machine as well. */
  readonly withModels?: boolean;
  readonly replaceModels?: boolean;
}

export interface FolderListener {
  /** The view differs. */
  changed(): void;
  event(event: EngineEvent): void;
}

export interface AttachedContainer {
  readonly target: Target;
  readonly container: Facts;
  readonly link: Link;
}

/** What was opened for the host's folder; it is opened anew when its ignore rules change. */
interface Opened {
  readonly dir: string;
  readonly rules: FolderRules;
  readonly host: DiskEndpoint;
  readonly session: SyncSession;
  readonly store: SyncStore;
  readonly actions: FolderActions;
  /** For those who find the folder taken. */
  readonly holder: { close(): void } | null;
  /** This machine's folder is watched. */
  readonly started: Promise<void>;
}

/** As many as a list can be read. */
const UNDOABLE = 1_000;

export class FolderSync {
  readonly #options: FolderOptions;
  readonly #listener: FolderListener;
  readonly #router = new EndpointRouter();
  readonly #models: Models;
  #root = '';
  #folder: HostFolder | null = null;
  #bound: BoundFolder | null = null;
  #opened: Opened | null = null;
  #attached: AttachedContainer | null = null;
  /** The engine's own question: which folder? */
  #question: { readonly question: Question; readonly answer: (value: string) => void } | null = null;
  /** Opening, attaching and reopening one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Until both sides were equal once. */
  #said: SyncOptions['said'];
  #closed = false;

  constructor(options: FolderOptions, listener: FolderListener) {
    this.#options = options;
    this.#said = options.said;
    this.#listener = listener;
    this.#models = new Models({
      always: options.withModels === true,
      replace: options.replaceModels === true,
      changed: () => listener.changed(),
      event: (event) => listener.event(event),
    });
  }

  /** Resolves when both sides are watched; rejects with what a user can meet. */
  attach(attached: AttachedContainer): Promise<void> {
    this.#root = attached.link.facts.root;
    this.#attached = attached;
    this.#listener.changed();
    return this.#inTurn(async () => {
      this.#folder = await this.#folderFor(attached);
      if (this.#folder === null || this.#closed) return;
      if (this.#folder.mode === 'bind') await this.#bind(attached, this.#folder.dir);
      else await this.#sync(attached, this.#folder.dir);
    });
  }

  detach(): void {
    this.#attached = null;
    this.#models.detach();
    this.#opened?.session.detachContainer();
    this.#listener.changed();
  }

  /** Everything seen is agreed; the digest of what both sides have in common, for the label of an image made now. */
  async quiet(): Promise<string | null> {
    const session = this.#opened?.session;
    if (session === undefined) return null;
    await session.quiet();
    return session.saveTree();
  }

  answer(id: string, value: string): void {
    if (this.#question?.question.id === id) this.#question.answer(value);
    else this.#opened?.session.answer(id, value);
  }

  /** Newest first. */
  undoable(): Promise<readonly Undoable[]> {
    return this.#with(({ store }) =>
      Promise.resolve(store.journal.entries.slice(-UNDOABLE).toReversed().map(describeAction)),
    );
  }

  undo(id: string): Promise<Undone> {
    return this.#with(({ actions }) => actions.undo(id));
  }

  compare(kept: string): Promise<Comparison> {
    return this.#with((opened) => {
      const conflict = conflictOf(opened, kept);
      return withHostPaths(opened.dir, [conflict.path, kept], (host) => compare(host, conflict));
    });
  }

  settle(kept: string, take: Take): Promise<string | null> {
    return this.#with((opened) => opened.actions.settle(conflictOf(opened, kept), take));
  }

  /** An edit that is under way arrives first, and what it replaced, unless the container is gone or the user is being asked. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#question?.answer('');
    await this.#turn.catch(() => undefined);
    const session = this.#opened?.session;
    if (this.#attached !== null && session !== undefined && ['working', 'ready'].includes(session.view().phase)) {
      await Promise.race([session.quiet().catch(() => undefined), this.#attached.link.closed]);
    }
    await this.#closeOpened();
  }

  /** Throws where there are no models to fetch. */
  toggleModels(): void {
    this.#models.toggle();
  }

  view(): SyncView {
    const models = this.#models.view();
    const common = {
      dir: this.#folder?.dir ?? null,
      root: this.#root,
      problems: [],
      conflicts: [],
      out: 0,
      in: 0,
      models,
    };
    const question = this.#question?.question;
    if (question !== undefined) {
      return { ...common, mode: 'none', phase: 'question', files: 0, rows: [], question };
    }
    if (this.#bound !== null) {
      const rows = this.#bound.rows();
      const all = [...rows, ...this.#models.rows()];
      return { ...common, mode: 'bind', phase: 'ready', files: rows.length, rows: all };
    }
    const mode = this.#folder === null ? 'none' : 'sync';
    if (this.#opened === null)
      return { ...common, mode, phase: mode === 'none' ? 'off' : 'starting', files: 0, rows: [] };
    const counts = this.#opened.session.view();
    const rows = this.#models.rows();
    return { ...common, mode, ...counts, rows: rows.length === 0 ? counts.rows : [...counts.rows, ...rows] };
  }

  // What the agent says -----------------------------------------------------------------------------------------------

  heard<E extends EventName>(name: E, value: EventValue<E>, attached: readonly Uint8Array[]): void {
    if (name === 'sync.changes') this.#router.changes(value as EventValue<'sync.changes'>, attached);
    else if (name === 'models') this.#models.heard(value as ModelList);
    else if (name === 'sync.lost') this.#router.lost(value as EventValue<'sync.lost'>);
  }

  openStream<K extends StreamKind>(kind: K, params: StreamParams<K>, stream: MuxStream): Promise<StreamOpened<K>> {
    if (kind !== 'content') return Promise.reject(violation(`a stream of kind ${kind}`));
    return this.#router.content(params as StreamParams<'content'>, stream) as Promise<StreamOpened<K>>;
  }

  // Opening -----------------------------------------------------------------------------------------------------------

  async #bind({ link, container }: AttachedContainer, dir: string): Promise<void> {
    await this.#closeOpened();
    const endpoint = await RemoteEndpoint.open(link, this.#router, this.#root, await readRules(dir));
    this.#bound = new BoundFolder(endpoint, () => this.#listener.changed());
    await this.#bound.start();
    await this.#models.attach(link, ownFolder(container, this.#root, dir));
    this.#listener.event({ event: 'ready', dir, root: this.#root, files: this.#bound.rows().length });
  }

  async #sync(attached: AttachedContainer, dir: string): Promise<void> {
    this.#bound = null;
    const { rules } = this.#opened ?? {};
    if (rules !== undefined && !(await rules.hold())) {
      await this.#closeOpened();
      await rules.rest();
    }
    const opened = (this.#opened ??= await this.#open(dir));
    const endpoint = await RemoteEndpoint.open(attached.link, this.#router, this.#root, opened.rules.lines);
    // Both folders are looked at side by side.
    const started = opened.started.catch(async (error: unknown) => {
      await this.#closeOpened();
      throw error;
    });
    await Promise.all([
      started,
      opened.session.attachContainer(endpoint, identityOf(attached.target, attached.container, this.#root)),
    ]);
    await this.#models.attach(attached.link, destinationOf(opened));
  }

  async #open(dir: string): Promise<Opened> {
    const rules = await FolderRules.read(dir);
    const store = await SyncStore.open(this.#options.stateDir, dir, systemClock.now());
    const { lines } = rules;
    const contents = new ContentCache();
    const host = await openDisk({
      root: dir,
      ignored: compileIgnore(lines),
      proven: await store.proven(lines),
      content: (digest, data) => contents.put(digest, data),
    });
    const session = createSyncSession({
      host,
      contents,
      container: null,
      store,
      policy: this.#options.policy,
      clock: systemClock,
      delicate: await isDelicate(dir),
      ...(this.#said === undefined ? {} : { said: this.#said }),
      onChange: () => this.#listener.changed(),
      onBack: () => this.#reopen(() => Promise.resolve(true)),
      rulesHold: async () => {
        const hold = await rules.hold();
        if (!hold) this.#rulesChanged();
        return hold;
      },
      onEvent: (event) => {
        if (event.event === 'ready') this.#said = undefined;
        this.#listener.event(event);
      },
    });
    const started = session.start();
    started.catch(() => undefined); // heard by whoever attaches
    const actions = folderActions(dir, store.journal);
    const holder = await serveHolder(await SyncStore.socket(this.#options.stateDir, dir), actions);
    return { dir, rules, host, session, started, store, actions, holder };
  }

  async #closeOpened(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await this.#models.pause();
    if (opened === null) return;
    opened.holder?.close();
    // Without it the next console reads every file again, and that is all.
    await opened.store.keepProven(opened.rules.lines, opened.host.proven()).catch(() => undefined);
    await opened.session.close();
    await opened.host.close();
  }

  async #with<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    if (this.#opened !== null) return work(this.#opened);
    throw new DrydockError('usage', 'No folder of this machine is synchronised.', {
      hint: 'Start again with --dir FOLDER.',
    });
  }

  /** Both ends look with the same rules, so both are opened anew. Nothing is deleted by it (S10). */
  #rulesChanged(): void {
    this.#reopen(async ({ rules }) => this.#attached !== null && !(await rules.hold()));
  }

  #reopen(isDue: (opened: Opened) => Promise<boolean>): void {
    void this.#inTurn(async () => {
      const { opened, attached } = { opened: this.#opened, attached: this.#attached };
      if (opened === null || this.#closed || !(await isDue(opened))) return;
      await this.#closeOpened();
      await opened.rules.rest();
      if (attached !== null) await this.#sync(attached, opened.dir);
    }).catch((error: unknown) => {
      if (error instanceof DrydockError)
        this.#listener.event({ event: 'waiting', reason: error.message, hint: error.hint ?? '' });
      this.#attached?.link.close(); // attaching anew says what is wrong
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  // Which folder ------------------------------------------------------------------------------------------------------

  /** One made anew may have other mounts. */
  async #folderFor(attached: AttachedContainer): Promise<HostFolder | null> {
    if (this.#folder === null) return this.#choose(attached);
    const { mounts, isHere } = attached.container;
    const entry = this.#folder.mode === 'bind' && !isHere ? await this.#entryOf(attached) : null;
    return folderFor({ root: this.#root, mounts, isHere, entry }, this.#folder.dir);
  }

  async #choose(attached: AttachedContainer): Promise<HostFolder | null> {
    const { dir, cwd, policy } = this.#options;
    const { name, mounts, isHere } = attached.container;
    const entry = dir === undefined ? await this.#entryOf(attached) : null;
    const found = await findHostFolder({ dir, cwd, root: this.#root, mounts, isHere, entry });
    if ('mode' in found) return found;
    const { text, hint } = unproven(found, `${entry?.path ?? 'the app’s sources'} as ${name} has it`, cwd);
    if (policy !== 'ask') throw new DrydockError('usage', text, { hint });
    const here = await realpath(cwd);
    const answer = await this.#ask({
      id: 'which-folder',
      text: `${text} Which one belongs to ${this.#root}?`,
      details: ['To name another folder, quit and start again with --dir FOLDER.'],
      choices: [
        ...found.slice(0, 9).map((path, n) => ({ key: `${n + 1}`, label: path, value: path })),
        ...(found.includes(here) ? [] : [{ key: 'd', label: `this one: ${here}`, value: here }]),
        { key: 'n', label: 'none: logs, probes and shell only', value: '' },
      ],
    });
    return answer === '' ? null : { mode: 'sync', dir: answer };
  }

  async #entryOf({ link, target }: AttachedContainer): Promise<EntryScript | null> {
    const { value: service } = await link.control.call('service.state', {});
    const script = service.entryScript ?? posix.join(this.#root, 'score.py');
    if (!isWithin(script, this.#root)) return null;
    const path = posix.relative(this.#root, script);
    const endpoint = await RemoteEndpoint.open(link, this.#router, this.#root, []);
    try {
      const { root } = await endpoint.scan();
      const node = nodeAt(root, path);
      const digest = node?.kind === 'file' ? node.digest : null;
      return { path, digest, ofImage: () => digestOf(target.getOfImage(posix.join(this.#root, path))) };
    } finally {
      await endpoint.close();
    }
  }

  async #ask(question: Question): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#question = { question, answer: resolve };
    this.#listener.changed();
    const answer = await promise;
    this.#question = null;
    this.#listener.changed();
    return answer;
  }
}

/** Why no folder was taken, and what to do without a terminal. */
function unproven(
  found: readonly string[],
  script: string,
  cwd: string,
): { readonly text: string; readonly hint: string } {
  const [dir, other] = found;
  if (dir === undefined) {
    return {
      text: `No folder at or under ${cwd} holds ${script}.`,
      hint: 'Name the folder: --dir FOLDER (an empty one takes everything from the container).',
    };
  }
  if (other !== undefined) {
    return {
      text: `Several folders under ${cwd} hold ${script}: ${found.join(', ')}.`,
      hint: `Name the one that is meant: --dir ${dir}`,
    };
  }
  return {
    text: `${dir} holds ${script}, but it is a home folder or a whole disk.`,
    hint: `Name the folder, this one if it is meant: --dir ${dir}`,
  };
}

/** Of the file in a tar stream; null where none comes. */
async function digestOf(tar: AsyncIterable<Uint8Array>): Promise<Digest | null> {
  const from = extract();
  const fed = pipeline(tar, from);
  fed.catch(() => undefined); // what breaks it breaks the entries as well
  try {
    for await (const entry of from) {
      if (entry.header.type !== 'file') return null;
      const hash = createHash('sha256');
      for await (const chunk of entry) hash.update(chunk as Uint8Array);
      return hash.digest('hex');
    }
    return null;
  } catch (error) {
    if (error instanceof DrydockError) return null; // then it proves nothing
    throw error;
  } finally {
    await fed.catch(() => undefined);
  }
}

/** Where the user's own rules let `azureml-models` in, it is synchronised like any folder. */
function destinationOf({ dir, rules, store }: Opened): Destination {
  if (compileIgnore(rules.lines)(MODELS, true)) return { dir, journal: store.journal };
  return {
    none: `${MODELS} is synchronised by your own ignore rules.`,
    hint: 'Nothing needs to be fetched.',
    done: () => true,
  };
}

/** The app's folder is this machine's: a copy would lie in the container as well. */
function ownFolder({ name, mounts }: Facts, root: string, dir: string): Destination {
  return {
    none: `${dir} is ${root} of the container: models that lie elsewhere are not copied into it.`,
    hint: `Where they lie says: drydock model list ${name} --json; copy them from there by docker cp.`,
    done: (folder) =>
      folder === null || (isWithin(folder, root) && !mounts.some(({ destination }) => isWithin(destination, folder))),
  };
}

function conflictOf({ session }: Opened, kept: string): Conflict {
  const found = session.view().conflicts.find((conflict) => conflict.kept === kept);
  if (found !== undefined) return found;
  throw new DrydockError('usage', `${kept} is no conflict any more.`, { hint: 'It was settled, here or elsewhere.' });
}
