/** Users who work on a side without a thought of the other one, and the ledger of what they wrote. */
import type { Path } from '../../shared/core/sync/tree.ts';
import { isIgnored, type SideDisk } from './side.ts';
import type { World } from './world.ts';

const MODELS = 'azureml-models';

/** Every write carries a token of its own; it is owed until a user himself takes an instance of it away. */
export class Ledger {
  #next = 0;
  readonly #owed = new Map<string, Path>();
  /** Those of ignored files, with the disk that they may never leave. */
  readonly #private = new Map<string, SideDisk>();

  token(world: World, disk: SideDisk, path: Path): string {
    const token = `t${this.#next++}${world.chance(0.3) ? ' and more than fits a message' : ''}`;
    this.#owed.set(token, path);
    if (isIgnored(path)) this.#private.set(token, disk);
    return token;
  }

  /** Whatever lies at a path and below it goes by its owner's own hand. */
  goes(disk: SideDisk, path: Path): void {
    for (const each of disk.list()) if (each === path || each.startsWith(`${path}/`)) this.#paid(disk, each);
  }

  /** Files on the way to a path give way to folders. */
  givesWay(disk: SideDisk, path: Path): void {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) this.#paid(disk, parts.slice(0, depth).join('/'));
  }

  /** Its owner took it somewhere else as well. */
  taken(text: string, to: Path): void {
    if (isModel(to) && this.#owed.has(text)) this.#owed.set(text, to);
    if (!isIgnored(to)) this.#private.delete(text);
  }

  get private(): ReadonlyMap<string, SideDisk> {
    return this.#private;
  }

  /** Tokens that must be somewhere, with where they were written. */
  get owed(): ReadonlyMap<string, Path> {
    return this.#owed;
  }

  #paid(disk: SideDisk, path: Path): void {
    const text = disk.text(path);
    if (text !== null) this.#owed.delete(text);
  }
}

export function write(world: World, ledger: Ledger, disk: SideDisk, path: Path): void {
  ledger.goes(disk, path);
  ledger.givesWay(disk, path);
  disk.write(path, ledger.token(world, disk, path), world.chance(0.2));
}

/** One thing that a user does; says what. */
export function act(world: World, ledger: Ledger, disk: SideDisk): string {
  const items = disk.items;
  if (items === null) return 'nothing: there is no folder';
  const there = disk.list();
  const some = there.length > 0 && world.chance(0.6) ? world.pick(there) : anyPath(world);
  const item = items.get(some);
  const roll = world.int(0, 99);
  if (roll < 45) {
    const path = item?.kind === 'dir' && world.chance(0.8) ? `${some}/${anyName(world)}` : some;
    write(world, ledger, disk, path);
    return `write ${path}: ${disk.text(path) ?? ''}`;
  }
  if (roll < 58) {
    ledger.goes(disk, some);
    disk.remove(some);
    return `remove ${some}`;
  }
  if (roll < 63) {
    if (item !== undefined || isInsideFile(disk, some)) return 'nothing';
    disk.put(some, { kind: 'dir' });
    return `folder ${some}`;
  }
  if (roll < 75) {
    const to = anyPath(world);
    if (item === undefined || to === some || to.startsWith(`${some}/`) || some.startsWith(`${to}/`)) return 'nothing';
    move(ledger, disk, some, to);
    return `move ${some} to ${to}`;
  }
  if (roll < 80) {
    if (item?.kind !== 'file') return 'nothing';
    disk.put(some, { ...item, exec: !item.exec });
    return `chmod ${some}`;
  }
  if (roll < 84) {
    ledger.goes(disk, some);
    ledger.givesWay(disk, some);
    disk.put(some, { kind: 'link', target: world.pick(['a', 'b', './c.py']) });
    return `link ${some}`;
  }
  if (roll < 90) {
    // What it held before, as `git checkout` brings it back: that is no new token, and owed no more than the old one.
    const text = disk.text(world.pick(there.length > 0 ? there : ['a']));
    if (text === null || (item !== undefined && item.kind !== 'file') || isInsideFile(disk, some)) return 'nothing';
    ledger.goes(disk, some);
    disk.write(some, text);
    ledger.taken(text, some);
    return `copy to ${some}`;
  }
  if (roll < 91) {
    if (item !== undefined || isInsideFile(disk, some)) return 'nothing';
    disk.put(some, { kind: 'socket' });
    return `socket ${some}`;
  }
  if (roll < 96) {
    if (item?.kind !== 'file') return 'nothing';
    // There and back before anybody may have looked.
    const { data, exec } = item;
    disk.write(some, 'for a moment');
    disk.write(some, data, exec);
    return `there and back ${some}`;
  }
  if (item?.kind !== 'dir') return 'nothing';
  ledger.goes(disk, some);
  disk.remove(some);
  disk.write(some, ledger.token(world, disk, some));
  return `file for folder ${some}`;
}

function move(ledger: Ledger, disk: SideDisk, from: Path, to: Path): void {
  const moved = [...(disk.items ?? [])].filter(([path]) => path === from || path.startsWith(`${from}/`));
  ledger.goes(disk, to);
  ledger.givesWay(disk, to);
  disk.put(from, null);
  for (const [path, item] of moved) {
    disk.put(to + path.slice(from.length), item);
    ledger.taken(disk.text(to + path.slice(from.length)) ?? '', to + path.slice(from.length));
  }
}

function anyName(world: World): string {
  return world.chance(0.05) ? 'x.ign' : world.pick(['a', 'b', 'c.py']);
}

function anyPath(world: World): Path {
  if (world.chance(0.06)) return `${MODELS}/m/${anyName(world)}`;
  return Array.from({ length: world.pick([1, 1, 1, 2, 2, 3]) }, () => anyName(world)).join('/');
}

/** Where the container's version of a conflict goes to the journal alone. */
export function isModel(path: Path): boolean {
  return path.startsWith(`${MODELS}/`);
}

function isInsideFile(disk: SideDisk, path: Path): boolean {
  const parts = path.split('/');
  return parts.some((_, depth) => {
    const item = disk.items?.get(parts.slice(0, depth).join('/'));
    return item !== undefined && item.kind !== 'dir';
  });
}
