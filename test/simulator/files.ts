/** A virtual disk for sync's state: a power cut takes what was not synced, and tears what was being written. */
import { dirname } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Files, OpenFile } from '../../console/engine/sync/files.ts';
import type { Life, World } from './world.ts';

class Inode {
  data: Buffer = Buffer.alloc(0);
  synced: Buffer = Buffer.alloc(0);
}

export interface DiskFaults {
  /** Throws what the disk says instead, or does nothing. */
  (what: 'write' | 'sync'): void;
}

export class StateDisk {
  readonly #names = new Map<string, Inode>();
  /** The names that survive a power cut, folder by folder. */
  readonly #kept = new Map<string, Inode>();
  readonly #folders = new Set<string>();
  #lock: Life | null = null;
  fault: DiskFaults = () => undefined;

  powerCut(world: World): void {
    // A rename that was not synced may have reached the disk or not.
    for (const name of new Set([...this.#names.keys(), ...this.#kept.keys()])) {
      const [now, kept] = [this.#names.get(name), this.#kept.get(name)];
      const left = now === kept || world.chance(0.5) ? kept : now;
      if (left === undefined) this.#names.delete(name);
      else this.#names.set(name, left);
    }
    for (const inode of new Set(this.#names.values())) {
      const more = inode.data.length - inode.synced.length;
      const grew = more > 0 && inode.data.subarray(0, inode.synced.length).equals(inode.synced);
      inode.data = grew ? inode.data.subarray(0, inode.synced.length + world.int(0, more)) : inode.synced;
      inode.synced = inode.data;
    }
    this.#kept.clear();
    for (const [name, inode] of this.#names) this.#kept.set(name, inode);
  }

  /** The bytes of files whose names end so. */
  files(end: string): Buffer[] {
    return [...this.#names].flatMap(([name, { data }]) => (name.endsWith(end) ? [data] : []));
  }

  /** What files in such a folder hold, as text. */
  contents(folder: string): Set<string> {
    return new Set([...this.#names].flatMap(([name, { data }]) => (name.includes(folder) ? [data.toString()] : [])));
  }

  /** What a process sees of it. */
  filesOf(life: Life): Files {
    const names = this.#names;
    const wait = async (usual: number) => {
      life.step();
      await life.sleep(life.world.latency(usual));
      life.step();
    };
    const get = (file: string) => {
      const inode = names.get(file);
      if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${file}`), { code: 'ENOENT' });
      return inode;
    };
    const open = (file: string, how: 'add' | 'anew'): OpenFile => {
      life.step();
      let inode = names.get(file);
      if (inode === undefined) names.set(file, (inode = new Inode()));
      if (how === 'anew') inode.data = Buffer.alloc(0);
      return this.#openFile(life, inode);
    };
    return {
      read: async (file) => {
        await wait(0.1);
        return names.get(file)?.data ?? null;
      },
      stream: async function* (file) {
        await wait(0.1);
        yield get(file).data;
      },
      names: async (folder) => {
        await wait(0.1);
        const below = [...names.keys(), ...this.#folders].filter((name) => dirname(name) === folder);
        return [...new Set(below)].map((name) => name.slice(folder.length + 1)).sort();
      },
      makeFolder: async (folder) => {
        await wait(0.05);
        for (let at = folder; at !== '/' && at !== '.'; at = dirname(at)) this.#folders.add(at);
      },
      open,
      save: async (file, chunks) => {
        const out = open(file, 'anew');
        try {
          for await (const chunk of chunks) {
            await wait(0.05);
            out.write(chunk);
          }
          await out.sync();
        } catch (error) {
          if (life.alive) names.delete(file);
          throw error;
        }
      },
      rename: (from, to) => {
        life.step();
        names.set(to, get(from));
        names.delete(from);
      },
      remove: (file) => {
        life.step();
        names.delete(file);
      },
      syncFolder: async (folder) => {
        await wait(0.2);
        this.#keepNames(folder);
      },
      syncFolderNow: (folder) => {
        life.step();
        this.#keepNames(folder);
      },
      real: async (folder) => {
        await wait(0.05);
        return folder;
      },
      lock: (_file, what) => {
        life.step();
        if (this.#lock?.alive === true) throw new DrydockError('taken', `${this.#lock.name} synchronises ${what}.`);
        this.#lock = life;
        return () => {
          if (this.#lock === life) this.#lock = null;
        };
      },
    };
  }

  #keepNames(folder: string): void {
    for (const name of [...this.#names.keys(), ...this.#kept.keys()]) {
      if (dirname(name) !== folder) continue;
      const inode = this.#names.get(name);
      if (inode === undefined) this.#kept.delete(name);
      else this.#kept.set(name, inode);
    }
  }

  #openFile(life: Life, inode: Inode): OpenFile {
    let open = true;
    const step = () => {
      life.step();
      if (!open) throw Object.assign(new Error('EBADF: the file is closed'), { code: 'EBADF' });
    };
    const { fault } = { fault: (what: 'write' | 'sync') => this.fault(what) };
    return {
      size: inode.data.length,
      write: (data) => {
        step();
        try {
          fault('write');
        } catch (error) {
          // A full disk takes a part.
          inode.data = Buffer.concat([inode.data, data.subarray(0, data.length >> 1)]);
          throw error;
        }
        inode.data = Buffer.concat([inode.data, data]);
      },
      cut: (size) => {
        step();
        inode.data = inode.data.subarray(0, size);
      },
      sync: async () => {
        step();
        const { data } = inode;
        await life.sleep(life.world.latency(0.5));
        step();
        fault('sync');
        // Cut meanwhile: what is on the disk is a prefix of either.
        inode.synced = data.length <= inode.data.length ? data : inode.data;
      },
      syncNow: () => {
        step();
        fault('sync');
        inode.synced = inode.data;
      },
      close: () => {
        step();
        open = false;
      },
    };
  }
}
