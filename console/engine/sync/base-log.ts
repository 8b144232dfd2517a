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
  type Node,
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

export class BaseLog {
  readonly #files: Files;
  readonly #file: string;
  #out: Appender;
  #rewritten: number;
  /** Every path that was ever in common. */
  readonly #known: TreeEdit;
  #created: CreatedOn;
  #attachedAt: number | null = null;

  private constructor(files: Files, file: string, out: Appender, known: TreeEdit, created: CreatedOn) {
    this.#files = files;
    this.#file = file;
    this.#out = out;
    this.#rewritten = out.size;
    this.#known = known;
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
    const base = new TreeEdit(EMPTY);
    const known = new TreeEdit(EMPTY);
    const open = new Map<string, Intent[]>();
    let created = NONE;
    let attachedAt: number | null = null;
    for (const record of records.data) {
      if ('a' in record) {
        attachedAt = record.a;
      } else if ('b' in record) {
        for (const [path, packed] of record.b) {
          const entry = unpack(packed);
          base.setEntry(path, entry);
          if (entry !== null) known.setEntry(path, entry);
        }
      } else if ('k' in record) {
        for (const [path, packed] of record.k) known.setEntry(path, unpack(packed));
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
    const log = new BaseLog(files, file, Appender.open(files, file, good), known, created);
    log.#attachedAt = attachedAt;
    return { log, base: base.root, intents: [...open.values()].flat() };
  }

  /** A log that begins with this base, in the place of any earlier one. */
  static create(file: string, base: DirNode, files = diskFiles): BaseLog {
    const known = new TreeEdit(EMPTY);
    for (const [path, node] of walk(base)) known.setEntry(path, entryOf(node));
    return new BaseLog(files, file, Appender.replace(files, file, lines(base, EMPTY, NONE, null)), known, NONE);
  }

  /** Every path that was ever in common. */
  get known(): DirNode {
    return this.#known.root;
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
    for (const [path, entry] of moves) if (entry !== null) this.#known.setEntry(path, entry);
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
    this.#out = Appender.replace(
      this.#files,
      this.#file,
      lines(base, this.#known.root, this.#created, this.#attachedAt),
    );
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

function* lines(base: DirNode, known: DirNode, created: CreatedOn, attachedAt: number | null): Generator<string> {
  yield sealLine({ v: VERSION });
  if (attachedAt !== null) yield sealLine({ a: attachedAt });
  for (const chunk of chunks(walk(base))) yield sealLine({ b: chunk });
  const gone = [...walk(known)].filter(([path]) => nodeAt(base, path) === null).slice(-MAX_GONE);
  for (const chunk of chunks(gone)) yield sealLine({ k: chunk });
  for (const on of side.options) for (const { at, paths } of created[on]) yield sealLine({ c: [on, at, paths] });
}

function* chunks(nodes: Iterable<[Path, Node]>): Generator<[Path, Packed][]> {
  let chunk: [Path, Packed][] = [];
  for (const [path, node] of nodes) {
    chunk.push([path, pack(entryOf(node))]);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
