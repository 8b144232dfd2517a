/** One side: a disk with what a power cut takes from it, and an endpoint on it whose every step takes a while and may fail. */
import type { ApplyFailure, Change, Left, Outcome } from '../../shared/core/sync/endpoint.ts';
import { above, type Path } from '../../shared/core/sync/tree.ts';
import { digestOf, MemoryDisk, MemoryEndpoint, type MemoryOptions } from '../support/memory-endpoint.ts';
import type { Life, World } from './world.ts';

type Item = Parameters<MemoryDisk['put']>[1];

export class SideDisk extends MemoryDisk {
  /** What stood, durably, at paths that sync changed since without a sync of their folder. */
  readonly #loose = new Map<Path, Item>();
  /** The bytes of every path and digest that were ever durable here: what a base may speak of. */
  readonly past = new Map<string, Uint8Array>();
  /** Those that will be when they are synced, although somebody may replace them before. */
  readonly #coming = new Map<string, Uint8Array>();
  readonly faults = { apply: 0, scan: 0, deaf: false };
  /** Every version that sync took off this disk, with its path. */
  readonly taken = new Map<string, Path>();

  override set(path: Path, item: Item): void {
    for (const each of this.#atAndBelow(path)) {
      if (!this.#loose.has(each)) this.#loose.set(each, this.items?.get(each) ?? null);
    }
    super.set(path, item);
    if (item?.kind === 'file') this.#coming.set(keyOf(path, item.data), item.data);
  }

  override quarantined(of: MemoryEndpoint, data: Uint8Array, left: Omit<Left, 'held'>): string {
    this.taken.set(Buffer.from(data).toString(), left.path);
    return super.quarantined(of, data, left);
  }

  /** The disk goes for good, with all that is on it. */
  scrap(): void {
    for (const { data } of this.quarantine.values()) this.taken.delete(Buffer.from(data).toString());
    this.quarantine.clear();
  }

  /** What a user does is on the disk at once: what he may lose by himself is not ours to prove. */
  override put(path: Path, item: Item): void {
    const touched = this.#atAndBelow(path);
    this.set(path, item);
    this.settle([...touched, ...above(path)]);
    this.changed();
  }

  settle(paths: Iterable<Path>): void {
    for (const path of paths) {
      this.#loose.delete(path);
      for (const [key, data] of this.#coming) {
        if (!key.startsWith(`${path}\0`)) continue;
        this.past.set(key, data);
        this.#coming.delete(key);
      }
    }
  }

  /**
   * What is found by a look, a user's own writes and what a killed process left, is taken for durable: the kernel writes
   * it before long, and that the power fails within these seconds as well is left out.
   */
  writtenBack(): void {
    this.settle([...this.#loose.keys()]);
  }

  powerCut(world: World): void {
    for (const [path, old] of this.#loose) {
      if (world.chance(0.5)) continue;
      if (old === null) this.items?.delete(path);
      else this.items?.set(path, old);
    }
    const paths = this.list();
    for (const path of paths) {
      const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : null;
      if (parent !== null && this.items?.get(parent)?.kind !== 'dir') this.items?.delete(path);
    }
    this.mount(this.items);
  }

  /** Another folder, or the same one as it lies on the disk. */
  mount(items: SideDisk['items']): void {
    this.items = items;
    this.#loose.clear();
    this.#coming.clear();
    for (const [path, item] of items ?? []) {
      if (item.kind === 'file') this.past.set(keyOf(path, item.data), item.data);
    }
  }

  #atAndBelow(path: Path): Path[] {
    return [path, ...[...(this.items?.keys() ?? [])].filter((each) => each.startsWith(`${path}/`))];
  }
}

function keyOf(path: Path, data: Uint8Array): string {
  return `${path}\0${digestOf(data)}`;
}

/** What neither side tells the other of. */
export function isIgnored(path: Path): boolean {
  return path.split('/').some((name) => name.endsWith('.ign'));
}

const FAILURES: readonly ApplyFailure[] = ['io', 'no-space', 'no-permission'];
/** How often everything is looked at, hints or not. Milliseconds. */
const ROUND = 30_000;

/** Serves one session, in one process. */
export class SideEndpoint extends MemoryEndpoint {
  readonly #life: Life;
  readonly #world: World;
  readonly #side: SideDisk;
  #closed = false;

  constructor(life: Life, disk: SideDisk, options: MemoryOptions) {
    const { world } = life;
    super(disk, {
      ...options,
      ignored: isIgnored,
      limits: { content: 12, victim: 12 },
      soon: (look) => life.after(world.latency(2), '', () => this.#look(look)),
    });
    this.#life = life;
    this.#world = world;
    this.#side = disk;
    this.fault = (change) => this.#step(change);
    this.beforeAnswer = () => this.#settle();
    this.#goRound();
  }

  override async scan() {
    await this.#life.sleep(this.#world.latency(5));
    this.#life.step();
    if (this.#world.chance(this.#side.faults.scan)) throw new Error('EIO: a scan fails');
    this.#side.writtenBack();
    return super.scan();
  }

  override get isOver(): boolean {
    return super.isOver || !this.#life.alive;
  }

  override close(): Promise<void> {
    this.#closed = true;
    return super.close();
  }

  async #step(change: Change): Promise<Outcome | undefined> {
    const { faults } = this.#side;
    await this.#life.sleep(this.#world.latency(0.5));
    this.#life.step();
    if (!this.#world.chance(faults.apply)) return undefined;
    const reason = this.#world.pick(FAILURES);
    return { path: change.path, result: 'failed', reason, message: `${reason}, as the simulator wants it` };
  }

  /** The folders' fsync; before it, what is visible may be gone after a power cut. */
  async #settle(): Promise<void> {
    await this.#life.sleep(this.#world.latency(1));
    this.#life.step();
    this.#side.settle((this.batches.at(-1) ?? []).map(({ path }) => path));
    // Whoever is not told that it is durable does not know that it is not, either.
    if (this.#world.chance(this.#side.faults.apply / 4)) throw new Error('EIO: a folder cannot be synced');
  }

  /** A hint that is lost leaves what it was for to the next look at everything. */
  #look(look: () => void): void {
    this.deaf = this.#side.faults.deaf;
    look();
  }

  #goRound(): void {
    this.#life.after(ROUND, '', () => {
      if (this.#closed) return;
      if (!this.#side.faults.deaf) this.lookAgain();
      this.#goRound();
    });
  }
}
