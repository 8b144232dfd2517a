/**
 * The one folder in which new content is made ready and victims wait: on the mount of the root, mode 0700, there only
 * while it is needed.
 *
 * It lies beside the root, or in ROOT/.drydock where the root is a mount point or its parent is not ours. Each process
 * has its own below it; what a killed one left is put right when the next endpoint of the same root opens.
 *
 * A ticket says whose a file there may be, and until it is redeemed that file is not unlinked: it is a victim that waits
 * for its release, or an error left it there, and it goes back to where it belongs.
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
  renameSync,
  rmSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { entrySchema } from '../core/protocol.ts';
import { LEFT_LIMIT, type Change, type Left } from '../core/sync/endpoint.ts';
import type { Digest, Entry, FileNode, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { bornAt } from './life.ts';
import { OWN_FOLDER } from './path.ts';
import { openFile } from './reading.ts';
import { openRoot, resolveRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';

/** Milliseconds after its last use at which the folder is removed. */
const IDLE = 1000;
/** After what an error left could not be put right, it is tried again. Milliseconds. */
const AGAIN = 10_000;
/** Milliseconds after which an untouched folder of a process that cannot be asked (another container's) is taken for left behind. */
const STALE = 10 * 60_000;

/** The file of the staging folder that says whose each victim in quarantine is: a line each, written before it goes there. */
const TICKETS = 'tickets';
/** Bytes of redeemed ones that are kept in it. */
const TICKETS_KEPT = 64 * 1024;

const ticketSchema = z.object({
  name: z.string(),
  path: z.string(),
  known: z.array(z.string()),
  after: entrySchema.default(null),
});
interface Ticket {
  readonly path: Path;
  /** What may lie there and nobody else has: the victim as it was proved, then what was staged for its place. */
  readonly known: readonly string[];
  readonly after: Entry | null;
}

/** The folders of this process that are in use. */
const LIVE = new Set<string>();

export interface Leftover extends Ticket {
  /** The victim's name in `folder`. */
  readonly name: string;
  readonly folder: Folder;
}

/** Puts right what lies in quarantine and nobody waits for: afterwards nobody misses it there. */
export type Recover = (leftover: Leftover) => Promise<void>;

export class Stage {
  readonly #walker: Walker;
  readonly #root: string;
  readonly #inside: boolean;
  readonly #own = `${process.pid}-${lifeOf(process.pid)}-${pidNamespace()}-${randomBytes(4).toString('hex')}`;
  #folder: Folder | null = null;
  /** The file of tickets: its size, and what of that was not redeemed when it was written last. */
  #log: { readonly fd: number; size: number; needed: number } | null = null;
  /** Those that were not redeemed, by name. */
  readonly #tickets = new Map<string, Ticket>();
  /** Victims that wait for their release, by name. */
  readonly #victims = new Map<string, FileNode>();
  #recover: Recover = () => Promise.resolve();
  #settling: Promise<void> | null = null;
  #users = 0;
  #next = 0;
  #timer: NodeJS.Timeout | null = null;

  readonly #say: (text: string) => void;

  /** `inside`: in the root rather than beside it. */
  constructor(walker: Walker, root: string, inside: boolean, say: (text: string) => void) {
    this.#walker = walker;
    this.#root = root;
    this.#inside = inside;
    this.#say = say;
    LIVE.add(this.#own);
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
        this.#arm(IDLE);
        this.#shorten();
      }
    }
  }

  /** Notes whose the victim is that goes into quarantine now, by its name there. Only within `use`. */
  ticket(name: string, { path, before, after }: Change): void {
    const known = [before, after].flatMap((entry) => (entry === null ? [] : [contentOf(entry)]));
    this.#note(name, { path, known, after });
  }

  /** What lies under that name, if anything does, is not missed. */
  redeem(name: string): void {
    this.#tickets.delete(name);
    this.#victims.delete(name);
  }

  /** The same, and it goes now. */
  drop(name: string): void {
    if (this.#folder !== null) dropVictim(this.#folder, name);
    this.redeem(name);
  }

  /** The victim under that name waits for its release. */
  keep(name: string, file: FileNode): void {
    this.#victims.set(name, file);
  }

  /** What was written late into a victim that may still wait lies beside its path: nobody else needs it. */
  saved(name: string, digest: Digest): void {
    const ticket = this.#tickets.get(name);
    if (ticket !== undefined) this.#note(name, { ...ticket, known: [...ticket.known, digest] });
  }

  /** Moves a victim that another process left into this folder, where it waits for its release. Only within `use`. */
  adopt({ name, folder, ...ticket }: Leftover, file: FileNode): void {
    if (folder === this.#folder) {
      this.keep(name, file);
      return;
    }
    const own = this.name('victim');
    this.#note(own, ticket);
    renameSync(folder.at(name), this.#at(own));
    this.keep(own, file);
  }

  /** Victims that wait for their release, as many as may be told at once. */
  left(): Left[] {
    return [...this.#victims].slice(0, LEFT_LIMIT).flatMap(([held, before]) => {
      const ticket = this.#tickets.get(held);
      return ticket === undefined ? [] : { path: ticket.path, before, after: ticket.after, held };
    });
  }

  /** A victim that waits, opened for reading; null where none of that name does. */
  open(held: string): { readonly fd: number; readonly size: number } | null {
    const file = this.#victims.get(held);
    return file === undefined ? null : { fd: openFile(this.#at(held)), size: file.size };
  }

  /** Whoever wanted these victims has them. Others are left alone. */
  release(held: readonly string[]): void {
    for (const name of held) if (this.#victims.has(name)) this.drop(name);
    this.#shorten();
    if (this.#users === 0 && this.#tickets.size === 0) this.#arm(IDLE);
  }

  /** A name that was not used in this folder before. */
  name(kind: 'new' | 'victim' | 'probe' | 'tickets'): string {
    this.#next += 1;
    return `${kind}-${this.#next}`;
  }

  /** Puts right what errors left, then removes the folder, unless it is in use or something waits in it. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => (this.#settling = null));
    return this.#settling;
  }

  async #settle(): Promise<void> {
    const folder = this.#folder;
    if (folder === null || this.#users > 0) return;
    for (const [name, ticket] of [...this.#tickets]) {
      if (this.#victims.has(name)) continue;
      if (isThere(folder, name) && !(await this.#putRight({ ...ticket, name, folder }))) continue;
      if (!this.#victims.has(name)) this.redeem(name);
    }
    this.clear();
    if (this.#tickets.size > this.#victims.size) this.#arm(AGAIN);
  }

  /** Removes the folder, unless it is in use or something waits in it. */
  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#folder === null || this.#users > 0 || this.#tickets.size > 0) return;
    this.#let();
    this.#inBase((base) => this.#remove(base, this.#own));
  }

  /** What still waits in the folder is the next endpoint's to tell. */
  async close(): Promise<void> {
    await this.settle();
    this.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#folder !== null) this.#let();
    LIVE.delete(this.#own);
  }

  /** Hands out the victims that killed processes left in quarantine, then removes what they left. What cannot be put right stays. */
  async sweep(recover: Recover): Promise<void> {
    this.#recover = recover;
    const left: string[] = [];
    this.#inBase((base) =>
      left.push(...readdirSync(base.here).filter((name) => name !== this.#own && isLeft(base, name))),
    );
    for (const name of left) {
      const base = this.#openBase();
      if (base === null) return;
      try {
        const folder = this.#walker.enter(base, name);
        let isRight = true;
        try {
          const tickets = readTickets(folder);
          for (const name of readdirSync(folder.here)) {
            const ticket = tickets.get(name);
            if (ticket !== undefined && !(await this.#putRight({ ...ticket, name, folder }))) isRight = false;
          }
        } finally {
          folder.close();
        }
        if (isRight) this.#remove(base, name);
      } finally {
        base.close();
      }
    }
    this.#inBase(() => undefined);
  }

  async #putRight(leftover: Leftover): Promise<boolean> {
    try {
      await this.#recover(leftover);
      return true;
    } catch (error) {
      this.#say(`${leftover.path}: what lay in quarantine could not be put back: ${String(error)}`);
      return false;
    }
  }

  #arm(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.settle(), ms).unref();
  }

  #at(name: string): string {
    if (this.#folder === null) throw new Error('the staging folder is not in use');
    return this.#folder.at(name);
  }

  /** Lets go of the folder, which stays where it is. */
  #let(): void {
    this.#folder?.close();
    this.#folder = null;
    if (this.#log !== null) closeSync(this.#log.fd);
    this.#log = null;
  }

  #note(name: string, ticket: Ticket): void {
    this.#log ??= { fd: openSync(this.#at(TICKETS), 'ax', 0o600), size: 0, needed: 0 };
    this.#log.size += writeLines(this.#log.fd, [[name, ticket]]);
    this.#tickets.set(name, ticket);
  }

  /** Leaves out of the file those that were redeemed, once they are most of it. */
  #shorten(): void {
    const log = this.#log;
    if (log === null || log.size <= TICKETS_KEPT + 2 * log.needed) return;
    if (this.#tickets.size === 0) {
      ftruncateSync(log.fd);
      Object.assign(log, { size: 0, needed: 0 });
      return;
    }
    const name = this.name('tickets');
    const fd = openSync(this.#at(name), 'ax', 0o600);
    try {
      const size = writeLines(fd, this.#tickets);
      renameSync(this.#at(name), this.#at(TICKETS));
      closeSync(log.fd);
      this.#log = { fd, size, needed: size };
    } catch {
      // No room, say: the old one still says all.
      closeSync(fd);
      if (this.#folder !== null) dropVictim(this.#folder, name);
    }
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

function dropVictim(folder: Folder, name: string): void {
  try {
    unlinkSync(folder.at(name));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Returns how many bytes that were. */
function writeLines(fd: number, tickets: Iterable<readonly [string, Ticket]>): number {
  const lines = Array.from(tickets, ([name, ticket]) => `${JSON.stringify({ name, ...ticket })}\n`);
  const bytes = Buffer.from(lines.join(''));
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  return bytes.length;
}

function isThere(folder: Folder, name: string): boolean {
  return lstatSync(folder.at(name), { throwIfNoEntry: false }) !== undefined;
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

/** True for the folder of a process, or of an endpoint of this one, that is no more. */
function isLeft(base: Folder, name: string): boolean {
  const [pid, life, space] = name.split('-');
  if (pid === undefined || life === undefined || !/^\d+$/.test(pid)) return false;
  if (space === pidNamespace()) {
    if (lifeOf(Number(pid)) !== life) return true;
    return Number(pid) === process.pid && !LIVE.has(name);
  }
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
