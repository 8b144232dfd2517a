/**
 * The one folder in which new content is made ready and victims wait: on the mount of the root, mode 0700, there only
 * while it is needed.
 *
 * It lies beside the root, or in ROOT/.drydock where the root is a mount point or its parent is not ours. Each process
 * has its own below it; what a killed one left is put right when the next endpoint of the same root opens.
 */
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import type { Entry, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { bornAt } from './life.ts';
import { OWN_FOLDER } from './path.ts';
import { openRoot, resolveRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';

/** Milliseconds after its last use at which the folder is removed. */
const IDLE = 1000;
/** Milliseconds after which an untouched folder of a process that cannot be asked (another container's) is taken for left behind. */
const STALE = 10 * 60_000;

/** The file of the staging folder that says whose each victim in quarantine is: a line each, written before it goes there. */
const TICKETS = 'tickets';
/** Bytes of it that are kept while no victim is there. */
const TICKETS_KEPT = 64 * 1024;

const ticketSchema = z.object({ name: z.string(), path: z.string(), known: z.array(z.string()) });
interface Ticket {
  readonly path: Path;
  /** What may lie there and is not missed: the victim as it was proved, and what was staged for its place. */
  readonly known: readonly string[];
}

export interface Leftover extends Ticket {
  /** The victim's name in `folder`. */
  readonly name: string;
  readonly folder: Folder;
}

export class Stage {
  readonly #walker: Walker;
  readonly #root: string;
  readonly #inside: boolean;
  readonly #own = `${process.pid}-${lifeOf(process.pid)}-${pidNamespace()}-${randomBytes(4).toString('hex')}`;
  #folder: Folder | null = null;
  #tickets: { readonly fd: number; size: number } | null = null;
  #users = 0;
  #next = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `inside`: in the root rather than beside it. */
  constructor(walker: Walker, root: string, inside: boolean) {
    this.#walker = walker;
    this.#root = root;
    this.#inside = inside;
  }

  /** The folder is there for as long as `work` runs. Throws as mkdir does. */
  async use<T>(work: (folder: Folder) => Promise<T>): Promise<T> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#folder ??= this.#create();
    this.#users += 1;
    try {
      return await work(this.#folder);
    } finally {
      this.#users -= 1;
      if (this.#users === 0) {
        this.#timer = setTimeout(() => this.clear(), IDLE).unref();
        if (this.#tickets !== null && this.#tickets.size > TICKETS_KEPT) {
          ftruncateSync(this.#tickets.fd);
          this.#tickets.size = 0;
        }
      }
    }
  }

  /** Notes whose the victim is that goes into quarantine now, by its name there. Only within `use`. */
  ticket(name: string, path: Path, known: readonly Entry[]): void {
    const folder = this.#folder;
    if (folder === null) throw new Error('the staging folder is not in use');
    this.#tickets ??= { fd: openSync(folder.at(TICKETS), 'ax', 0o600), size: 0 };
    const line = Buffer.from(`${JSON.stringify({ name, path, known: known.map(contentOf) })}\n`);
    for (let at = 0; at < line.length;) at += writeSync(this.#tickets.fd, line, at);
    this.#tickets.size += line.length;
  }

  /** A name that was not used in this folder before. */
  name(kind: 'new' | 'victim' | 'probe'): string {
    this.#next += 1;
    return `${kind}-${this.#next}`;
  }

  /** Removes the folder, unless it is in use. */
  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const folder = this.#folder;
    if (folder === null || this.#users > 0) return;
    this.#folder = null;
    folder.close();
    if (this.#tickets !== null) closeSync(this.#tickets.fd);
    this.#tickets = null;
    this.#inBase((base) => this.#remove(base, this.#own));
  }

  /** Hands out the victims that killed processes left in quarantine, then removes what they left. */
  async sweep(recover: (leftover: Leftover) => Promise<void>): Promise<void> {
    const left: string[] = [];
    this.#inBase((base) =>
      left.push(...readdirSync(base.here).filter((name) => name !== this.#own && isLeft(base, name))),
    );
    for (const name of left) {
      const base = this.#openBase();
      if (base === null) return;
      try {
        const folder = this.#walker.enter(base, name);
        try {
          const tickets = readTickets(folder);
          for (const name of readdirSync(folder.here)) {
            const ticket = tickets.get(name);
            if (ticket !== undefined) await recover({ ...ticket, name, folder });
          }
        } finally {
          folder.close();
        }
        this.#remove(base, name);
      } finally {
        base.close();
      }
    }
    this.#inBase(() => undefined);
  }

  #create(): Folder {
    const parent = this.#openParent();
    if (parent === null) throw Object.assign(new Error(`the folder is gone: ${this.#root}`), { code: 'ENOENT' });
    try {
      makeFolder(parent.at(this.#baseName()));
      const base = this.#walker.enter(parent, this.#baseName());
      try {
        const uid = process.geteuid?.();
        if (uid !== undefined && uid !== 0 && base.stat.uid !== BigInt(uid)) {
          throw Object.assign(new Error(`not ours: ${this.#baseName()}`), { code: 'EACCES' });
        }
        makeFolder(base.at(this.#own));
        return this.#walker.enter(base, this.#own);
      } finally {
        base.close();
      }
    } finally {
      parent.close();
    }
  }

  #baseName(): string {
    return this.#inside ? OWN_FOLDER : `${OWN_FOLDER}-${basename(this.#root)}`;
  }

  #openParent(): Folder | null {
    if (this.#inside) return openRoot(this.#walker, this.#root);
    return openRoot(this.#walker, dirname(resolveRoot(this.#root)));
  }

  #openBase(): Folder | null {
    try {
      const parent = this.#openParent();
      if (parent === null) return null;
      try {
        return this.#walker.enter(parent, this.#baseName());
      } finally {
        parent.close();
      }
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'].includes(codeOf(error))) return null;
      throw error;
    }
  }

  /** Runs `work` in the folder that holds those of all processes, and removes it if it is empty then. */
  #inBase(work: (base: Folder) => void): void {
    const base = this.#openBase();
    if (base === null) return;
    try {
      work(base);
    } finally {
      base.close();
    }
    const parent = this.#openParent();
    if (parent === null) return;
    try {
      rmdirSync(parent.at(this.#baseName()));
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(codeOf(error))) throw error;
    } finally {
      parent.close();
    }
  }

  #remove(base: Folder, name: string): void {
    const folder = this.#walker.enter(base, name);
    try {
      for (const entry of readdirSync(folder.here)) rmSync(folder.at(entry), { recursive: true });
    } finally {
      folder.close();
    }
    rmdirSync(base.at(name));
  }
}

/** What tells the content of an entry from another's. */
export function contentOf(entry: Entry): string {
  return entry.kind === 'file' ? entry.digest : entry.kind === 'link' ? `>${entry.target}` : '/';
}

export function dropVictim(folder: Folder, name: string): void {
  try {
    unlinkSync(folder.at(name));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** By the victim's name. Half a line at the end belongs to no victim: each goes there after its line is whole. */
function readTickets(folder: Folder): ReadonlyMap<string, Ticket> {
  const tickets = new Map<string, Ticket>();
  let text: string;
  try {
    text = readFileSync(folder.at(TICKETS), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return tickets;
    throw error;
  }
  for (const line of text.split('\n')) {
    try {
      const { name, ...ticket } = ticketSchema.parse(JSON.parse(line));
      tickets.set(name, ticket);
    } catch {
      // The end that a killed process left, or the empty one after the last line.
    }
  }
  return tickets;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** True for the folder of a process that is no more. */
function isLeft(base: Folder, name: string): boolean {
  const [pid, life, space] = name.split('-');
  if (pid === undefined || life === undefined || !/^\d+$/.test(pid)) return false;
  if (space === pidNamespace()) return lifeOf(Number(pid)) !== life;
  try {
    return Date.now() - lstatSync(base.at(name)).mtimeMs > STALE;
  } catch {
    return false;
  }
}

/** What tells a process from a later one of the same number; empty when there is none. */
function lifeOf(pid: number): string {
  if (process.platform === 'linux') return bornAt(pid) ?? '';
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch (error) {
    return codeOf(error) === 'EPERM' ? 'alive' : '';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '0';
  }
}
