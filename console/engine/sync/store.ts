/**
 * What sync keeps on this machine for one folder: a history for each container that it was ever synchronised with,
 * and one journal. Open to this user only.
 *
 * A history belongs to a container's identity and its root, never to a name; a restart of the same container goes on
 * with it where its file system lives on.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { History } from '../../../shared/core/sync/attach.ts';
import type { Intent } from '../../../shared/core/sync/state.ts';
import {
  EMPTY,
  entryOf,
  TreeEdit,
  walk,
  type DirNode,
  type FileNode,
  type Path,
  type Side,
} from '../../../shared/core/sync/tree.ts';
import type { Proven, ProvenFiles } from '../../../shared/disk/known.ts';
import type { Incarnation } from '../../place/place.ts';
import { Appender } from './appender.ts';
import { BaseLog } from './base-log.ts';
import { diskFiles, type Files } from './files.ts';
import { Journal, type JournalEntry } from './journal.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { notedTreeSchema, pack, packedTreeSchema, readLines, sealLine, unpack } from './records.ts';

export interface ContainerIdentity extends Incarnation {
  readonly name: string;
  /** The folder in the container. */
  readonly root: string;
  /** Source of the mount that the root is or lies in (a host path, a volume's name); null where none outlives the container. */
  readonly mount: string | null;
  /** The root is or lies in a tmpfs: each start has another, whatever fills it. */
  readonly inMemory?: boolean;
  /** The tree that the label of its image names (`saveTree`): what was in the app folder when Drydock committed it. */
  readonly provenTree?: string;
  /** It was made of another container's file system, as that was at `at` (epoch ms). */
  readonly revived?: { readonly container: string; readonly at: number };
  /** Whether its app folder still equals its image's; asked only of a container that was made anew. Absent: nobody can say. */
  pristine?(): Promise<boolean>;
}

export type Mounts = Readonly<Record<Side, boolean>>;

const metaSchema = z.object({
  place: z.string(),
  container: z.string(),
  name: z.string(),
  root: z.string(),
  mount: z.string().nullable(),
  /** Whether the roots were mount points when both were last seen equal. */
  mounts: z.object({ host: z.boolean(), container: z.boolean() }).nullable(),
  /** Epoch milliseconds. */
  usedAt: z.number(),
});
type Meta = z.infer<typeof metaSchema>;

/** One incarnation's history, open. */
export class OpenHistory {
  readonly key: string;
  readonly history: History;
  readonly intents: readonly Intent[];
  readonly mounts: Mounts | null;
  readonly #files: Files;
  readonly #folder: string;
  readonly #meta: Meta;
  #log: BaseLog | null;

  constructor(
    files: Files,
    key: string,
    folder: string,
    meta: Meta,
    found: { readonly history: History; readonly intents: readonly Intent[]; readonly log: BaseLog | null },
  ) {
    this.#files = files;
    this.key = key;
    this.#folder = folder;
    this.#meta = meta;
    this.history = found.history;
    this.intents = found.intents;
    this.#log = found.log;
    this.mounts = meta.mounts;
  }

  /** Null until the base was decided: what is not adopted leaves no trace, and is asked again. */
  get log(): BaseLog | null {
    return this.#log;
  }

  adopt(base: DirNode, now: number): void {
    const old = this.#log;
    this.#log = BaseLog.create(join(this.#folder, 'base.log'), base, this.#files);
    this.#log.attached(now);
    old?.close().catch(() => undefined); // nothing in it is needed any more
  }

  /** Both sides are equal under these mounts. */
  async confirm(mounts: Mounts, now: number): Promise<void> {
    await writeMeta(this.#files, this.#folder, { ...this.#meta, mounts, usedAt: now });
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }
}

export class SyncStore {
  readonly dir: string;
  readonly journal: Journal;
  readonly #files: Files;
  readonly #folder: string;
  readonly #unlock: () => void;

  private constructor(files: Files, dir: string, folder: string, journal: Journal, unlock: () => void) {
    this.#files = files;
    this.dir = dir;
    this.#folder = folder;
    this.journal = journal;
    this.#unlock = unlock;
  }

  /** Throws DrydockError `taken` while another console synchronises `dir`, `io` as the disk does. */
  static async open(stateDir: string, dir: string, now: number, files = diskFiles): Promise<SyncStore> {
    const folder = join(stateDir, 'sync', shortDigest(await files.real(dir)));
    return orSay(folder, async () => {
      await files.makeFolder(folder);
      const unlock = files.lock(join(folder, 'lock'), dir);
      try {
        const journal = await Journal.open(join(folder, 'journal'), now, DEFAULT_LIMITS, files);
        return new SyncStore(files, dir, folder, journal, unlock);
      } catch (error) {
        unlock();
        throw error;
      }
    });
  }

  /** Where the console that has the folder can be asked. */
  static async socket(stateDir: string, dir: string, files = diskFiles): Promise<string> {
    return join(stateDir, 'sync', shortDigest(await files.real(dir)), 'ask');
  }

  /** What the folder's journal holds, newest last, also while another console has it; null where it was never synchronised. */
  static async actions(stateDir: string, dir: string, files = diskFiles): Promise<readonly JournalEntry[] | null> {
    return Journal.entries(join(stateDir, 'sync', shortDigest(await files.real(dir)), 'journal'), files);
  }

  /**
   * What this container and the folder have in common, as far as it is proven. `look`: at the container's folder, now.
   * Throws DrydockError `io` as the disk does.
   */
  open(
    identity: ContainerIdentity,
    now: number,
    look: () => Promise<DirNode | null> = () => Promise.resolve(null),
  ): Promise<OpenHistory> {
    return orSay(this.#folder, () => this.#open(identity, now, look));
  }

  async #open(identity: ContainerIdentity, now: number, look: () => Promise<DirNode | null>): Promise<OpenHistory> {
    const { place, container, name, root, mount } = identity;
    const key = keyOf(identity);
    const folder = join(this.#folder, 'histories', key);
    await this.#files.makeFolder(folder);
    const own = await BaseLog.load(join(folder, 'base.log'), this.#files);
    const known = await readMeta(this.#files, folder);
    const meta: Meta = { place, container, name, root, mount, mounts: known?.mounts ?? null, usedAt: now };
    await writeMeta(this.#files, folder, meta);
    if (own !== null) {
      const history: History = { kind: 'known', base: own.base };
      return new OpenHistory(this.#files, key, folder, meta, { history, intents: own.intents, log: own.log });
    }
    const history = await this.#inherit(identity, key, look);
    const opened = new OpenHistory(this.#files, key, folder, meta, { history, intents: [], log: null });
    if (history.kind === 'known') opened.adopt(history.base, now);
    return opened;
  }

  /** Keeps a tree for a container that will be started from a commit of it; returns what the image's label must say. */
  async saveTree(tree: DirNode): Promise<string> {
    const text = Array.from(walk(tree), ([path, node]) => sealLine([path, pack(entryOf(node))]));
    const digest = createHash('sha256').update(text.join('')).digest('hex');
    const folder = join(this.#folder, 'trees');
    await this.#files.makeFolder(folder);
    await Appender.replace(this.#files, join(folder, digest), text).close();
    return digest;
  }

  /** What a console before this one knew of the files on this machine; nothing where that is not to be had. */
  async proven(rules: readonly string[]): Promise<Proven> {
    const data = await this.#files.read(join(this.#folder, 'proven')).catch(() => null);
    const [by, noted] = data === null ? [] : readLines(data).values;
    const parsed = notedTreeSchema.safeParse(noted);
    const files = new Map<Path, { readonly node: FileNode; readonly stamp: string }>();
    for (const [path, stamp, packed] of parsed.data ?? []) {
      const node = unpack(packed);
      if (node?.kind === 'file') files.set(path, { node, stamp });
    }
    return { files, ruled: by === rules.join('\n') };
  }

  /** For the next console. Rejects as the disk does. */
  async keepProven(rules: readonly string[], files: ProvenFiles): Promise<void> {
    const noted = Array.from(files, ([path, { stamp, node }]) => [path, stamp, pack(node)]);
    const lines = [sealLine(rules.join('\n')), sealLine(noted)];
    await Appender.replace(this.#files, join(this.#folder, 'proven'), lines).close();
  }

  async close(): Promise<void> {
    await this.journal.close();
    this.#unlock();
  }

  async #inherit(identity: ContainerIdentity, key: string, look: () => Promise<DirNode | null>): Promise<History> {
    const revived = await this.#revivedBase(identity);
    if (revived !== null) return { kind: 'known', base: revived };
    const proven = identity.provenTree === undefined ? null : await this.#loadTree(identity.provenTree);
    if (proven !== null) return { kind: 'known', base: proven };
    const predecessor = await this.#predecessor(identity, key);
    if (predecessor === null) return { kind: 'new' };
    const loaded = await BaseLog.load(join(predecessor.folder, 'base.log'), this.#files);
    if (loaded === null) return { kind: 'new' };
    const { known } = loaded.log;
    await loaded.log.close();
    // The folder itself lived on: it is the same mount.
    if (identity.mount !== null && identity.mount === predecessor.meta.mount)
      return { kind: 'known', base: loaded.base };
    // Looked at first: what is edited after the look is an edit, and what was before it is not the image's.
    const image = await look();
    return { kind: 'recreated', known, image: (await identity.pristine?.()) === true ? image : null };
  }

  /** What the container that it was made of had in common with the folder, unless that one was synchronised since. */
  async #revivedBase({ revived, ...identity }: ContainerIdentity): Promise<DirNode | null> {
    if (revived === undefined) return null;
    const folder = join(this.#folder, 'histories', keyOf({ ...identity, container: revived.container }));
    const loaded = await BaseLog.load(join(folder, 'base.log'), this.#files);
    if (loaded === null) return null;
    const { attachedAt } = loaded.log;
    await loaded.log.close();
    // It was not running when it was revived: a base that moved since then moved after a later attach.
    return attachedAt === null || attachedAt > revived.at ? null : loaded.base;
  }

  /** The container of this name and root that was synchronised last. */
  async #predecessor(identity: ContainerIdentity, key: string): Promise<{ meta: Meta; folder: string } | null> {
    const histories = join(this.#folder, 'histories');
    let last: { meta: Meta; folder: string } | null = null;
    for (const other of await this.#files.names(histories)) {
      if (other === key) continue;
      const folder = join(histories, other);
      const meta = await readMeta(this.#files, folder);
      if (meta === null || meta.mounts === null) continue;
      if (meta.place !== identity.place || meta.name !== identity.name || meta.root !== identity.root) continue;
      if (last === null || meta.usedAt > last.meta.usedAt) last = { meta, folder };
    }
    return last;
  }

  async #loadTree(digest: string): Promise<DirNode | null> {
    if (!/^[0-9a-f]{64}$/.test(digest)) return null;
    const data = await this.#files.read(join(this.#folder, 'trees', digest)).catch(() => null);
    if (data === null || createHash('sha256').update(data).digest('hex') !== digest) return null;
    const entries = packedTreeSchema.safeParse(readLines(data).values);
    if (!entries.success) return null;
    const tree = new TreeEdit(EMPTY);
    for (const [path, packed] of entries.data) tree.setEntry(path, unpack(packed));
    return tree.root;
  }
}

/** Two incarnations with the same key have the same file system. */
export function keyOf({ place, container, root, inMemory, startedAt }: ContainerIdentity): string {
  return shortDigest([place, container, root, ...(inMemory === true ? [startedAt] : [])].join('\0'));
}

/** An error of the disk, as one that a user can mend. */
async function orSay<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DrydockError || !(error instanceof Error && 'code' in error)) throw error;
    throw new DrydockError('io', `The state of sync cannot be kept in ${folder}: ${error.message}.`, {
      hint: 'Make room there (or make it writable), or set XDG_STATE_HOME to another folder.',
      cause: error,
    });
  }
}

async function readMeta(files: Files, folder: string): Promise<Meta | null> {
  try {
    return metaSchema.parse(JSON.parse((await files.read(join(folder, 'meta.json')))?.toString() ?? ''));
  } catch {
    return null; // absent, or of a version that is not ours: as good as unknown
  }
}

async function writeMeta(files: Files, folder: string, meta: Meta): Promise<void> {
  await Appender.replace(files, join(folder, 'meta.json'), [JSON.stringify(meta)]).close();
}

function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
