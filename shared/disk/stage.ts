/**
 * The one folder in which new content is made ready and victims wait: on the mount of the root, mode 0700, there only
 * while it is needed.
 *
 * It lies beside the root, or in ROOT/.drydock where the root is a mount point or its parent is not ours. Each process
 * has its own below it; what a killed one left is put right when the next endpoint of the same root opens.
 */
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import type { Digest, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { bornAt } from './life.ts';
import { OWN_FOLDER } from './path.ts';
import { openRoot, resolveRoot } from './walk.ts';
import type { Folder, Walker } from './walk.ts';

/** Milliseconds after its last use at which the folder is removed. */
const IDLE = 1000;
/** Milliseconds after which an untouched folder of a process that cannot be asked (another container's) is taken for left behind. */
const STALE = 10 * 60_000;

/** Whose a victim in quarantine is: written before it goes there. */
const ticketSchema = z.object({ path: z.string(), digest: z.string() });
export interface Ticket {
  readonly path: Path;
  readonly digest: Digest;
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
      if (this.#users === 0) this.#timer = setTimeout(() => this.clear(), IDLE).unref();
    }
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
          for (const victim of readdirSync(folder.here)) {
            const ticket = readTicket(folder, victim);
            if (ticket !== null) await recover({ ...ticket, name: victim, folder });
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
      for (const entry of readdirSync(folder.here)) unlinkSync(folder.at(entry));
    } finally {
      folder.close();
    }
    rmdirSync(base.at(name));
  }
}

/** Notes whose the victim is that goes into quarantine as `name`. */
export function writeTicket(folder: Folder, name: string, ticket: Ticket): void {
  writeFileSync(folder.at(`${name}.json`), JSON.stringify(ticket), { flag: 'wx', mode: 0o600 });
}

export function dropVictim(folder: Folder, name: string): void {
  for (const entry of [name, `${name}.json`]) {
    try {
      unlinkSync(folder.at(entry));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
}

function readTicket(folder: Folder, name: string): Ticket | null {
  if (!name.startsWith('victim-') || name.endsWith('.json')) return null;
  try {
    return ticketSchema.parse(JSON.parse(readFileSync(folder.at(`${name}.json`), 'utf8')));
  } catch {
    return null;
  }
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
