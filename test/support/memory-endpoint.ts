/** A virtual disk as an endpoint: for tests of the session, where time, faults and order are the test's. */
import type {
  Change,
  ContentSource,
  Endpoint,
  EndpointInfo,
  Left,
  Observation,
  Outcome,
  Scan,
  Victim,
  Watch,
} from '../../shared/core/sync/endpoint.ts';
import { ContentMoved, INLINE_LIMIT, VICTIM_INLINE_LIMIT } from '../../shared/core/sync/endpoint.ts';
import {
  EMPTY,
  equal,
  join,
  nameOf,
  sameEntry,
  TreeEdit,
  type Digest,
  type DirNode,
  type Entry,
  type Node,
  type Path,
} from '../../shared/core/sync/tree.ts';
import { sha256 } from './trees.ts';

const digests = new WeakMap<Uint8Array, Digest>();

/** Bytes of a disk are replaced and never changed in place: each is hashed once. */
export function digestOf(data: Uint8Array): Digest {
  const known = digests.get(data);
  if (known !== undefined) return known;
  const digest = sha256(data);
  digests.set(data, digest);
  return digest;
}

type Item =
  | { readonly kind: 'dir' }
  | { readonly kind: 'file'; readonly data: Uint8Array; readonly exec: boolean }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'socket' };

export interface MemoryOptions {
  readonly ignored?: (path: Path, isDir: boolean) => boolean;
  readonly info?: Partial<EndpointInfo>;
  /** Bytes up to which content comes with the news of it, and a victim with its outcome. */
  readonly limits?: { readonly content: number; readonly victim: number };
  /** A side that replaces and deletes whatever stands there: what no side may be. */
  readonly blind?: boolean;
  /** Runs a look at what changed a moment after it did. */
  readonly soon?: (look: () => void) => void;
}

/** A version that was taken off the disk and waits for its release. */
interface Waiting {
  readonly left: Left;
  readonly data: Uint8Array;
  /** Whose answer tells of it. */
  readonly of: MemoryEndpoint;
}

/** The disk, which outlives its endpoints as a real one does. */
export class MemoryDisk {
  readonly quarantine = new Map<string, Waiting>();
  #nextHeld = 0;
  /** Null: the root is missing. */
  items: Map<Path, Item> | null = new Map();
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts an item there, with the folders above it; null takes it away with all that is in it. */
  put(path: Path, item: Item | null): void {
    this.set(path, item);
    this.changed();
  }

  write(path: Path, text: string | Uint8Array, exec = false): void {
    this.put(path, { kind: 'file', data: typeof text === 'string' ? Buffer.from(text) : text, exec });
  }

  remove(path: Path): void {
    this.put(path, null);
  }

  text(path: Path): string | null {
    const item = this.items?.get(path);
    return item?.kind === 'file' ? Buffer.from(item.data).toString() : null;
  }

  /** Every path with its content, a folder's being `/`. */
  all(): Readonly<Record<Path, string>> {
    return Object.fromEntries(
      this.list().map((path) => {
        const item = this.items?.get(path);
        return [
          path,
          item?.kind === 'file' ? Buffer.from(item.data).toString() : item?.kind === 'link' ? `-> ${item.target}` : '/',
        ];
      }),
    );
  }

  quarantined(of: MemoryEndpoint, data: Uint8Array, left: Omit<Left, 'held'>): string {
    const held = `held-${this.#nextHeld++}`;
    this.quarantine.set(held, { left: { ...left, held }, data, of });
    return held;
  }

  list(): Path[] {
    return [...(this.items?.keys() ?? [])].sort();
  }

  set(path: Path, item: Item | null): void {
    const items = this.items;
    if (items === null) throw new Error('the root is missing');
    if (item?.kind !== 'dir' || items.get(path)?.kind !== 'dir') {
      for (const below of [...items.keys()]) if (below.startsWith(`${path}/`)) items.delete(below);
    }
    if (item === null) {
      items.delete(path);
      return;
    }
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/');
      if (items.get(folder)?.kind !== 'dir') items.set(folder, { kind: 'dir' });
    }
    items.set(path, item);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

export class MemoryEndpoint implements Endpoint {
  readonly info: EndpointInfo;
  readonly disk: MemoryDisk;
  /** Runs before each change is made; what it returns is the outcome instead. */
  fault: (change: Change) => Outcome | undefined | Promise<Outcome | undefined> = () => undefined;
  /** Runs when a batch is made and not answered yet; throwing loses the answer. */
  beforeAnswer: () => void | Promise<void> = () => undefined;
  /** Tells watchers nothing while true. */
  deaf = false;
  readonly batches: (readonly Change[])[] = [];
  scans = 0;
  readonly #ignored: (path: Path, isDir: boolean) => boolean;
  readonly #limits: NonNullable<MemoryOptions['limits']>;
  readonly #blind: boolean;
  readonly #soon: NonNullable<MemoryOptions['soon']>;
  #closed = false;
  #told: DirNode = EMPTY;
  #rootTold = true;
  #watch: { onChange: (batch: readonly Observation[]) => void; onLost: (reason: string) => void } | null = null;
  #unlisten: () => void = () => undefined;
  #scheduled = false;

  constructor(disk: MemoryDisk, options: MemoryOptions = {}) {
    const { ignored = () => false, info = {} } = options;
    this.disk = disk;
    this.#ignored = ignored;
    this.#limits = options.limits ?? { content: INLINE_LIMIT, victim: VICTIM_INLINE_LIMIT };
    this.#blind = options.blind ?? false;
    this.#soon = options.soon ?? ((look) => void setImmediate(look));
    this.info = {
      root: '/memory',
      writable: true,
      hardLinks: true,
      symlinks: true,
      execBit: true,
      caseSensitive: true,
      mount: false,
      ...info,
    };
  }

  async scan(signal?: AbortSignal): Promise<Scan> {
    signal?.throwIfAborted();
    await Promise.resolve();
    this.scans++;
    const root = this.#root();
    this.#rootTold = root !== null;
    this.#told = root ?? EMPTY;
    return { root };
  }

  async watch(onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void): Promise<Watch> {
    await Promise.resolve();
    const watch = { onChange, onLost };
    this.#watch = watch;
    this.#unlisten();
    this.#unlisten = this.disk.onChange(() => this.#schedule());
    if (this.scans > 0) this.#schedule();
    return {
      close: () => {
        if (this.#watch === watch) this.#watch = null;
        return Promise.resolve();
      },
    };
  }

  /** Tells what no hint told. */
  lookAgain(): void {
    this.#schedule();
  }

  loseHints(): void {
    this.#watch?.onLost('a test says so');
  }

  async *read(path: Path, digest: Digest): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    const item = this.disk.items?.get(path);
    if (item?.kind !== 'file' || digestOf(item.data) !== digest) throw new ContentMoved(path);
    if (item.data.length > 0) yield item.data;
  }

  async apply(batch: readonly Change[], content: ContentSource): Promise<readonly Outcome[]> {
    this.batches.push(batch);
    const outcomes: Outcome[] = [];
    const leaving = this.#leaving(batch);
    const source: ContentSource = {
      open: (digest, path) => (leaving.has(digest) ? only(leaving.get(digest)) : content.open(digest, path)),
    };
    for (const change of batch) outcomes.push((await this.fault(change)) ?? (await this.#change(change, source)));
    await this.beforeAnswer();
    return outcomes;
  }

  left(): Promise<readonly Left[]> {
    const waiting = [...this.disk.quarantine.values()];
    return Promise.resolve(waiting.flatMap(({ left, of }) => (of === this || of.isOver ? [left] : [])));
  }

  async *readHeld(held: string): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    const found = this.disk.quarantine.get(held);
    if (found === undefined) throw new ContentMoved(held);
    yield found.data;
  }

  release(held: readonly string[]): Promise<void> {
    for (const each of held) this.disk.quarantine.delete(each);
    return Promise.resolve();
  }

  /** Nobody asks for what its answers tell of any more. */
  get isOver(): boolean {
    return this.#closed;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#watch = null;
    this.#unlisten();
    return Promise.resolve();
  }

  // Telling -----------------------------------------------------------------------------------------------------------

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#soon(() => {
      this.#scheduled = false;
      if (this.#watch === null || this.deaf || this.scans === 0) return;
      const news = this.#news();
      if (news.length > 0) this.#watch.onChange(news);
    });
  }

  #news(): Observation[] {
    const root = this.#root();
    if (root === null) {
      const known = this.#rootTold;
      this.#rootTold = false;
      this.#told = EMPTY;
      return known ? [{ path: '', node: null }] : [];
    }
    const news: Observation[] = this.#rootTold ? [] : [{ path: '', node: root }];
    if (this.#rootTold) this.#compare('', this.#told, root, news);
    this.#rootTold = true;
    this.#told = root;
    return news;
  }

  #compare(path: Path, told: DirNode, now: DirNode, news: Observation[]): void {
    for (const name of new Set([...told.children.keys(), ...now.children.keys()])) {
      const [old, node] = [told.children.get(name) ?? null, now.children.get(name) ?? null];
      if (old?.kind === 'dir' && node?.kind === 'dir') this.#compare(join(path, name), old, node, news);
      else if (!equal(old, node)) news.push({ path: join(path, name), node, ...this.#dataOf(join(path, name), node) });
    }
  }

  #dataOf(path: Path, node: Node | null): { data?: Uint8Array } {
    const item = this.disk.items?.get(path);
    return node?.kind === 'file' && item?.kind === 'file' && node.size <= this.#limits.content
      ? { data: item.data }
      : {};
  }

  // Looking -----------------------------------------------------------------------------------------------------------

  #root(): DirNode | null {
    if (this.disk.items === null) return null;
    const root = this.#dir('');
    return root ?? EMPTY;
  }

  /** The visible node; null where there is none. */
  #look(path: Path): Node | null {
    const item = this.disk.items?.get(path);
    if (item === undefined || this.#isIgnored(path)) return null;
    if (item.kind === 'file') {
      const exec = this.info.execBit && item.exec;
      return { kind: 'file', digest: digestOf(item.data), size: item.data.length, exec };
    }
    if (item.kind === 'link') return staysInside(path, item.target) ? item : { kind: 'opaque', reason: 'outside-link' };
    return item.kind === 'dir' ? this.#dir(path) : { kind: 'opaque', reason: 'special' };
  }

  /** Null for a folder that holds only ignored entries. */
  #dir(path: Path): DirNode | null {
    const children = new Map<string, Node>();
    let hidden = false;
    for (const below of this.#below(path)) {
      const node = this.#look(below);
      if (node === null) hidden = true;
      else children.set(nameOf(below), node);
    }
    return hidden && children.size === 0 && path !== '' ? null : { kind: 'dir', children };
  }

  #below(path: Path): Path[] {
    const prefix = path === '' ? '' : `${path}/`;
    return [...(this.disk.items?.keys() ?? [])].filter(
      (each) => each.startsWith(prefix) && !each.slice(prefix.length).includes('/'),
    );
  }

  #isIgnored(path: Path): boolean {
    const parts = path.split('/');
    return parts.some((_, depth) => {
      const at = parts.slice(0, depth + 1).join('/');
      return this.#ignored(at, this.disk.items?.get(at)?.kind === 'dir');
    });
  }

  // Changing ----------------------------------------------------------------------------------------------------------

  /** What lies in files that the batch takes away. */
  #leaving(batch: readonly Change[]): Map<Digest, Uint8Array> {
    const leaving = new Map<Digest, Uint8Array>();
    for (const { path, after } of batch) {
      const item = this.disk.items?.get(path);
      if (after === null && item?.kind === 'file') leaving.set(digestOf(item.data), item.data);
    }
    return leaving;
  }

  async #change(change: Change, content: ContentSource): Promise<Outcome> {
    const { path, before, after } = change;
    const wrong = this.#objection(change);
    if (wrong !== null) return wrong;
    let data: Uint8Array = new Uint8Array();
    if (after?.kind === 'file' && !(before?.kind === 'file' && before.digest === after.digest)) {
      const collected = await collect(content.open(after.digest, path));
      if (collected === null || digestOf(collected) !== after.digest) {
        return { path, result: 'failed', reason: 'content-moved', message: `${path} moved while it was read` };
      }
      data = collected;
    }
    if (this.disk.items === null) return { path, result: 'failed', reason: 'io', message: 'the root is missing' };
    const item = this.disk.items.get(path);
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    const found = this.#look(path);
    // Its last visible entry went in this batch: out of the tree already.
    const isHidden = item?.kind === 'dir' && found === null;
    if (isHidden && before?.kind === 'dir' && after === null) {
      this.#tell(path, null);
      return { path, result: 'done' };
    }
    const same =
      found === null || found.kind === 'opaque' ? found === before : sameEntry(found, asEntry(before, this.info));
    const emptied = after?.kind === 'dir' || found?.kind !== 'dir' || found.children.size === 0;
    if ((!same && !this.#blind) || !emptied || (parent !== '' && this.disk.items.get(parent)?.kind !== 'dir')) {
      this.#tell(path, found);
      return { path, result: 'refused', found, ...this.#dataOf(path, found) };
    }
    if (found === null && item !== undefined && after !== null && after.kind !== 'dir') {
      return { path, result: 'failed', reason: 'occupied', message: `${path} holds ignored files` };
    }
    const old = item?.kind === 'file' ? item : null;
    if (after === null) {
      const hidden = item?.kind === 'dir' && this.#below(path).length > 0;
      if (!hidden) this.disk.set(path, null);
    } else if (after.kind === 'file') {
      const bytes = old !== null && before?.kind === 'file' && before.digest === after.digest ? old.data : data;
      this.disk.set(path, { kind: 'file', data: bytes, exec: after.exec });
    } else {
      this.disk.set(path, after);
    }
    this.#tell(path, after === null ? null : this.#look(path));
    const replaced =
      old !== null && found?.kind === 'file' && !(after?.kind === 'file' && after.digest === found.digest);
    if (!replaced) return { path, result: 'done' };
    return { path, result: 'done', victim: this.#victim({ path, before: found, after }, old.data) };
  }

  #victim(left: Omit<Left, 'held'>, data: Uint8Array): Victim {
    const { digest, size, exec } = left.before;
    const held = this.disk.quarantined(this, data, left);
    return { digest, size, exec, held, ...(size > this.#limits.victim ? {} : { data }) };
  }

  #objection({ path, after }: Change): Outcome | null {
    const failed = (reason: 'name' | 'read-only' | 'unsupported'): Outcome => {
      return { path, result: 'failed', reason, message: `${path}: ${reason}` };
    };
    if (!this.info.writable) return failed('read-only');
    const good =
      path.isWellFormed() &&
      path
        .split('/')
        .every((name) => !['', '.', '..'].includes(name) && !name.includes('\0') && Buffer.byteLength(name) <= 255);
    if (!good) return failed('name');
    const above = path.split('/').slice(0, -1);
    const ignored = above.some((_, depth) => this.#ignored(above.slice(0, depth + 1).join('/'), true));
    if (ignored || this.#ignored(path, after?.kind === 'dir')) return failed('unsupported');
    return after?.kind === 'link' && !staysInside(path, after.target) ? failed('unsupported') : null;
  }

  #tell(path: Path, node: Node | null): void {
    const edit = new TreeEdit(this.#told);
    edit.set(path, node);
    this.#told = edit.root;
  }
}

function asEntry(entry: Entry | null, { execBit }: EndpointInfo): Entry | null {
  return entry?.kind === 'file' && !execBit ? { ...entry, exec: false } : entry;
}

async function* only(data: Uint8Array = new Uint8Array()): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield data;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) parts.push(chunk);
  } catch (error) {
    if (error instanceof ContentMoved) return null;
    throw error;
  }
  return Buffer.concat(parts);
}

function staysInside(path: Path, target: string): boolean {
  if (target.startsWith('/')) return false;
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return false;
    } else if (part !== '.' && part !== '') {
      parts.push(part);
    }
  }
  return true;
}
