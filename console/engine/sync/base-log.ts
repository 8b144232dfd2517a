/**
 * The base on disk: an append-only log of what both sides came to agree on, and of what was about to be sent (intents).
 *
 * After a crash the base may lag the disks and never lead them. A torn end is cut off. Damage in the middle makes the
 * base lost: then nothing was ever agreed, and nothing is deleted.
 */
import { z } from 'zod';
import type { BaseMove } from '../../../shared/core/sync/agree.ts';
import { isCreation, withCreated, type Created } from '../../../shared/core/sync/created.ts';
import type { Intent, Planned } from '../../../shared/core/sync/state.ts';
import {
  EMPTY,
  entryOf,
  nodeAt,
  TreeEdit,
  walk,
  type DirNode,
  type Entry,
  type Path,
  type Side,
} from '../../../shared/core/sync/tree.ts';
import { Appender } from './appender.ts';
import { diskFiles, type Files } from './files.ts';
import { pack, packedSchema, packedTreeSchema, readLines, sealLine, unpack, type Packed } from './records.ts';

const VERSION = 1;
/** Rewritten when it is larger than this and than four times what a rewrite makes of it. Bytes. */
const SMALL = 1024 * 1024;
/** Entries a line, when the whole base is written. */
const CHUNK = 500;
/** Paths that were once in common and are no more: remembered up to so many. */
const MAX_GONE = 20_000;

const side = z.enum(['host', 'container']);
const recordSchema = z.union([
  z.object({ v: z.literal(VERSION) }),
  /** A container was attached (epoch ms); the base moves only while one is. */
  z.object({ a: z.number() }),
  /** The base moved. */
  z.object({ b: packedTreeSchema }),
  /** Once in common, not any more. */
  z.object({ k: packedTreeSchema }),
  /** About to be sent: path, after, and what the base becomes then. */
  z.object({ i: z.tuple([side, z.int(), z.array(z.tuple([z.string(), packedSchema, packedSchema]))]) }),
  /** About to be created: when (epoch ms), and what. */
  z.object({ c: z.tuple([side, z.number(), z.array(z.string())]) }),
  /** The outcome is known; null: of all that was sent to that side. */
  z.object({ d: z.tuple([side, z.int().nullable()]) }),
]);

export interface LoadedLog {
  readonly log: BaseLog;
  readonly base: DirNode;
  readonly intents: readonly Intent[];
}

type CreatedOn = Readonly<Record<Side, readonly Created[]>>;
const NONE: CreatedOn = { host: [], container: [] };

/** What both sides have in common, and what they once had, as far as that is remembered. */
class Common {
  #base: TreeEdit;
  /** What went last is the last. */
  readonly #gone = new Map<Path, Entry>();

  constructor(base: DirNode) {
    this.#base = new TreeEdit(base);
  }

  get base(): DirNode {
    return this.#base.root;
  }

  set base(base: DirNode) {
    // An edit holds on to every folder that it made.
    this.#base = new TreeEdit(base);
  }

  get gone(): Iterable<[Path, Entry]> {
    return this.#gone;
  }

  /** Both together; where both have a path, as it is now. */
  get known(): DirNode {
    const known = new TreeEdit(EMPTY);
    for (const [path, entry] of this.#gone) known.setEntry(path, entry);
    for (const [path, entry] of entries(this.base)) known.setEntry(path, entry);
    return known.root;
  }

  move(path: Path, entry: Entry | null): void {
    if (entry?.kind !== 'dir') {
      const old = nodeAt(this.base, path);
      if (old !== null && entry === null) this.went(path, entryOf(old));
      if (old?.kind === 'dir') for (const [at, node] of walk(old, path)) this.went(at, entryOf(node));
    }
    if (entry !== null) this.#gone.delete(path);
    this.#base.setEntry(path, entry);
  }

  went(path: Path, entry: Entry): void {
    this.#gone.delete(path);
    this.#gone.set(path, entry);
    const [oldest] = this.#gone.keys();
    if (oldest !== undefined && this.#gone.size > MAX_GONE) this.#gone.delete(oldest);
  }
}

export class BaseLog {
  readonly #files: Files;
  readonly #file: string;
  #out: Appender;
  #rewritten: number;
  readonly #common: Common;
  #created: CreatedOn;
  #attachedAt: number | null = null;

  private constructor(files: Files, file: string, out: Appender, common: Common, created: CreatedOn) {
    this.#files = files;
    this.#file = file;
    this.#out = out;
    this.#rewritten = out.size;
    this.#common = common;
    this.#created = created;
  }

  /** Null when there is no log. */
  static async load(file: string, files = diskFiles): Promise<LoadedLog | null> {
    const data = await files.read(file);
    if (data === null) return null;
    const { values, good, beyond } = readLines(data);
    const records = z.array(recordSchema).safeParse(values);
    if (beyond.length > 0 || !records.success || !('v' in (records.data[0] ?? {}))) {
      return { log: BaseLog.create(file, EMPTY, files), base: EMPTY, intents: [] };
    }
    const common = new Common(EMPTY);
    const open = new Map<string, Intent[]>();
    let created = NONE;
    let attachedAt: number | null = null;
    for (const record of records.data) {
      if ('a' in record) {
        attachedAt = record.a;
      } else if ('b' in record) {
        for (const [path, packed] of record.b) common.move(path, unpack(packed));
      } else if ('k' in record) {
        for (const [path, packed] of record.k) {
          const entry = unpack(packed);
          if (entry !== null) common.went(path, entry);
        }
      } else if ('i' in record) {
        const [to, id, changes] = record.i;
        const intents = changes.map(([path, after, agreed]) => ({
          side: to,
          path,
          after: unpack(after),
          agreed: unpack(agreed),
        }));
        open.set(`${to} ${id}`, intents);
      } else if ('c' in record) {
        created = withMore(created, ...record.c);
      } else if ('d' in record) {
        const [to, id] = record.d;
        for (const key of [...open.keys()])
          if (id === null ? key.startsWith(`${to} `) : key === `${to} ${id}`) open.delete(key);
      }
    }
    const log = new BaseLog(files, file, Appender.open(files, file, good), common, created);
    log.#attachedAt = attachedAt;
    return { log, base: common.base, intents: [...open.values()].flat() };
  }

  /** A log that begins with this base, in the place of any earlier one. */
  static create(file: string, base: DirNode, files = diskFiles): BaseLog {
    const common = new Common(base);
    return new BaseLog(files, file, Appender.replace(files, file, lines(common, NONE, null)), common, NONE);
  }

  /** Every path that was ever in common, but for those that went longest ago. */
  get known(): DirNode {
    return this.#common.known;
  }

  /** What was about to be created on each side of late, oldest first; whether it came to be is not known. */
  get created(): CreatedOn {
    return this.#created;
  }

  /** When a container was attached last, epoch ms; the base moves only while one is. Null where the log does not say. */
  get attachedAt(): number | null {
    return this.#attachedAt;
  }

  attached(at: number): void {
    this.#attachedAt = at;
    this.#out.append(sealLine({ a: at }));
  }

  moved(moves: readonly BaseMove[]): void {
    for (const [path, entry] of moves) this.#common.move(path, entry);
    this.#out.append(sealLine({ b: moves.map(([path, entry]) => [path, pack(entry)]) }));
  }

  intends(to: Side, id: number, changes: readonly Planned[], now: number): void {
    const creations = changes.filter(isCreation).map(({ path }) => path);
    if (creations.length > 0) {
      this.#created = withMore(this.#created, to, now, creations);
      this.#out.append(sealLine({ c: [to, now, creations] }));
    }
    const intents = changes.flatMap(({ path, after, agreed }): [string, Packed, Packed][] =>
      agreed === undefined ? [] : [[path, pack(after), pack(agreed)]],
    );
    if (intents.length > 0) this.#out.append(sealLine({ i: [to, id, intents] }));
  }

  /** Null: everything that was sent to that side so far. An intent left open would be taken for an answer much later. */
  settled(to: Side, id: number | null): void {
    this.#out.append(sealLine({ d: [to, id] }));
  }

  durable(): Promise<void> {
    return this.#out.durable();
  }

  get isOutgrown(): boolean {
    return this.#out.size > Math.max(SMALL, 4 * this.#rewritten);
  }

  /** Writes the log anew; only while nothing is under way, since intents are not carried over. */
  rewrite(base: DirNode): void {
    const old = this.#out;
    this.#common.base = base;
    this.#out = Appender.replace(this.#files, this.#file, lines(this.#common, this.#created, this.#attachedAt));
    this.#rewritten = this.#out.size;
    old.close().catch(() => undefined); // nothing in it is needed any more
  }

  close(): Promise<void> {
    return this.#out.close();
  }
}

function withMore(created: CreatedOn, on: Side, at: number, paths: readonly Path[]): CreatedOn {
  return { ...created, [on]: withCreated(created[on], at, paths) };
}

function* lines({ base, gone }: Common, created: CreatedOn, attachedAt: number | null): Generator<string> {
  yield sealLine({ v: VERSION });
  if (attachedAt !== null) yield sealLine({ a: attachedAt });
  for (const chunk of chunks(entries(base))) yield sealLine({ b: chunk });
  for (const chunk of chunks(gone)) yield sealLine({ k: chunk });
  for (const on of side.options) for (const { at, paths } of created[on]) yield sealLine({ c: [on, at, paths] });
}

function* entries(tree: DirNode): Generator<[Path, Entry]> {
  for (const [path, node] of walk(tree)) yield [path, entryOf(node)];
}

function* chunks(all: Iterable<[Path, Entry]>): Generator<[Path, Packed][]> {
  let chunk: [Path, Packed][] = [];
  for (const [path, entry] of all) {
    chunk.push([path, pack(entry)]);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
