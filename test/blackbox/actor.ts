/**
 * A program that works in a folder and knows nothing of synchronisation: ROOT SIDE SEED COUNT TRAITS. It begins when
 * its standard input says so, and prints at the end which tokens it wrote and which it took away itself. Every write
 * carries a token.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { otherSide, type Side } from '../../shared/core/sync/tree.ts';
import { isCopy, tokenOf, tokensIn, type Account } from './ledger.ts';
import { operations, type Operation, type Traits } from './operations.ts';

const LONG_AGO = 1_600_000_000;
const MEETING = 'meeting';
/** How long one side waits for the other. Milliseconds. */
const PATIENCE = 20_000;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** A file as it was found. */
interface Found {
  /** Device and inode. */
  readonly id: string;
  readonly tokens: readonly string[];
}

class Actor {
  readonly #side: Side;
  readonly #written = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #failed: Record<string, number> = {};
  readonly #held: { readonly fd: number; readonly id: string; ours: boolean }[] = [];
  #done = 0;
  #met = 0;

  constructor(side: Side) {
    this.#side = side;
  }

  async act(operation: Operation, index: number): Promise<void> {
    try {
      await this.#act(operation, tokenOf(this.#side, index));
      if (operation.op !== 'pause' && operation.op !== 'meet') this.#done++;
    } catch (error) {
      // Something else stands there, or nothing does: a program is told so, and that is all.
      const code = (error as NodeJS.ErrnoException).code;
      if (code === undefined) throw error;
      this.#failed[code] = (this.#failed[code] ?? 0) + 1;
    }
  }

  account(): Account {
    return { written: [...this.#written], gone: [...this.#gone], done: this.#done, failed: this.#failed };
  }

  async #act(operation: Operation, token: string): Promise<void> {
    switch (operation.op) {
      case 'write':
        return this.#write(operation, token);
      case 'over':
        this.#over(operation, token);
        return;
      case 'append':
        this.#makeWay(operation.path);
        return this.#inPlace(openSync(operation.path, O_RDWR | O_CREAT | O_APPEND), (fd) => writeSync(fd, token));
      case 'patch':
        return this.#inPlace(openSync(operation.path, O_RDWR), (fd) => {
          writeSync(fd, token, 0);
          if (operation.old) futimesSync(fd, LONG_AGO, LONG_AGO);
        });
      case 'remove':
        lstatSync(operation.path);
        this.#remove(operation.path);
        return;
      case 'move':
        this.#move(operation.from, operation.to);
        return;
      case 'folder':
        this.#remove(operation.path);
        this.#makeWay(join(operation.path, 'file'));
        return this.#inPlace(openSync(join(operation.path, 'file'), O_RDWR | O_CREAT), (fd) => writeSync(fd, token, 0));
      case 'file':
        this.#remove(operation.path);
        this.#makeWay(operation.path);
        return this.#inPlace(openSync(operation.path, O_RDWR | O_CREAT), (fd) => writeSync(fd, token, 0));
      case 'link':
        this.#remove(operation.path);
        this.#makeWay(operation.path);
        symlinkSync(operation.target, operation.path);
        return;
      case 'mode':
        if (!lstatSync(operation.path).isFile()) return;
        chmodSync(operation.path, operation.exec ? 0o755 : 0o644);
        return;
      case 'hold': {
        const fd = openSync(operation.path, O_RDWR | O_APPEND);
        this.#held.push({ fd, id: idOf(fd), ours: true });
        return;
      }
      case 'late': {
        const held = this.#held.shift();
        if (held?.ours === true) return this.#inPlace(held.fd, (fd) => writeSync(fd, token));
        if (held !== undefined) closeSync(held.fd); // nobody but this program took the file away
        return;
      }
      case 'settle':
        for (const path of copiesBelow('.').slice(0, 5)) this.#remove(path);
        return;
      case 'pause':
        await sleep(operation.ms);
        return;
      case 'meet':
        return this.#meet();
    }
  }

  /** Each side counts in a file of its own, and waits until the other one has come as far; not for ever. */
  async #meet(): Promise<void> {
    const end = performance.now() + PATIENCE;
    this.#makeWay(join(MEETING, this.#side));
    writeFileSync(join(MEETING, this.#side), String(++this.#met));
    const there = join(MEETING, otherSide(this.#side));
    while (performance.now() < end) {
      if (existsSync(there) && Number(readFileSync(there)) >= this.#met) return;
      await sleep(2);
    }
    this.#failed['alone'] = (this.#failed['alone'] ?? 0) + 1;
  }

  async #write({ path, size, pieces }: Extract<Operation, { op: 'write' }>, token: string): Promise<void> {
    this.#makeWay(path);
    const content = contentOf(token, size);
    await this.#inPlace(openSync(path, O_RDWR | O_CREAT), async (fd) => {
      ftruncateSync(fd, 0);
      const step = Math.ceil(content.length / pieces);
      for (let at = 0; at < content.length; at += step) {
        if (at > 0) await sleep(1);
        writeSync(fd, content.subarray(at, at + step), 0, undefined, at);
      }
    });
  }

  #over({ path, size, old }: Extract<Operation, { op: 'over' }>, token: string): void {
    this.#makeWay(path);
    const beside = join(dirname(path), `.tmp-${this.#side}`);
    const fd = openSync(beside, O_RDWR | O_CREAT);
    try {
      ftruncateSync(fd, 0);
      writeSync(fd, contentOf(token, size));
      if (old) futimesSync(fd, LONG_AGO, LONG_AGO);
    } finally {
      closeSync(fd);
    }
    const there = look(path);
    try {
      renameSync(beside, path);
    } catch (error) {
      unlinkSync(beside);
      throw error;
    }
    this.#takes(there);
    this.#written.add(token);
  }

  #move(from: string, to: string): void {
    lstatSync(from);
    this.#makeWay(to);
    const there = look(to);
    const moves = look(from);
    renameSync(from, to);
    if (there?.id !== moves?.id) this.#takes(there);
  }

  /** What is no longer in the file when `work` is done went by this program's own hand. */
  async #inPlace(fd: number, work: (fd: number) => unknown): Promise<void> {
    try {
      const before = contentOfFile(fd);
      const written = tokensIn(before);
      await work(fd);
      const after = new Set(tokensIn(contentOfFile(fd)));
      for (const token of after) if (!written.includes(token)) this.#written.add(token);
      for (const token of written) if (!after.has(token)) this.#gone.add(token);
    } finally {
      closeSync(fd);
    }
  }

  /** As `rm -rf` does it. */
  #remove(path: string): void {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) {
      for (const name of readdirSync(path)) this.#remove(join(path, name));
      rmdirSync(path);
    } else if (stat !== undefined) {
      const there = look(path);
      unlinkSync(path);
      this.#takes(there);
    }
  }

  /** The folders above a path are made; a file that stands there instead goes. */
  #makeWay(path: string): void {
    const parts = dirname(path).split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/');
      const stat = lstatSync(folder, { throwIfNoEntry: false });
      if (stat?.isDirectory() === true) continue;
      if (stat !== undefined) this.#remove(folder);
      mkdirSync(folder);
    }
  }

  #takes(there: Found | null): void {
    if (there === null) return;
    for (const token of there.tokens) this.#gone.add(token);
    for (const held of this.#held) if (held.id === there.id) held.ours = false;
  }
}

/** Null where no file stands. */
function look(path: string): Found | null {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    return fstatSync(fd).isFile() ? { id: idOf(fd), tokens: tokensIn(contentOfFile(fd)) } : null;
  } finally {
    closeSync(fd);
  }
}

function idOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

function contentOfFile(fd: number): Buffer {
  // `readFileSync` of a descriptor goes on from where it stands.
  return readFileSync(`/proc/self/fd/${fd}`);
}

/** The token at the end: what holds only a part of the content does not hold it. */
function contentOf(token: string, size: number): Buffer {
  return Buffer.concat([Buffer.alloc(size, 'drydock\n'), Buffer.from(token)]);
}

function copiesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isCopy).sort();
}

const [, , root = '', side = '', seed = '', count = '', traits = ''] = process.argv;
process.chdir(root);
// In a container the service's own user works, not root.
const owner = statSync('.');
if (process.getuid?.() === 0 && owner.uid !== 0) {
  process.setgroups?.([owner.gid]);
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
}
process.umask(0o022);
process.stdout.write('ready\n');
await once(process.stdin.resume(), 'end');
const actor = new Actor(side as Side);
let index = 0;
for (const operation of operations(Number(seed), side as Side, Number(count), JSON.parse(traits) as Traits)) {
  await actor.act(operation, index++);
}
process.stdout.write(JSON.stringify(actor.account()));
