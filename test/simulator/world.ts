/** Virtual time with one seeded source of chance: the same seed runs the same way, step by step. */
import { createHash } from 'node:crypto';

/** Thrown out of whatever a process that was killed still tries. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

interface Task {
  readonly at: number;
  readonly order: number;
  readonly label: string;
  readonly run: () => void;
}

export class World {
  /** Milliseconds since the world began; what programs are told is up to their clocks. */
  now = 0;
  /** Everything that happened, digested. */
  readonly #trace = createHash('sha256');
  readonly #lines: string[] | null;
  readonly #tasks: Task[] = [];
  #order = 0;
  #random: number;

  /** `keep`: the trace is kept in words, too, for whoever looks for what happened. */
  constructor(seed: number, keep = false) {
    this.#random = (seed ^ 0x9e3779b9) >>> 0;
    this.#lines = keep ? [] : null;
  }

  /** mulberry32: enough for choices, and the same everywhere. */
  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) >>> 0;
    let t = this.#random;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.int(0, list.length - 1)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }

  /** Mostly short, sometimes long: so that every order of two steps comes up. Milliseconds. */
  latency(usual: number): number {
    const r = this.random();
    return r < 0.2 ? 0 : r < 0.9 ? this.random() * usual : r < 0.98 ? this.random() * usual * 10 : usual * 40;
  }

  note(text: string): void {
    const line = `${this.now.toFixed(3)} ${text}\n`;
    this.#trace.update(line);
    this.#lines?.push(line);
  }

  after(ms: number, label: string, run: () => void): () => void {
    const task = { at: this.now + Math.max(0, ms), order: this.#order++, label, run };
    this.#insert(task);
    return () => {
      const at = this.#tasks.indexOf(task);
      if (at !== -1) this.#tasks.splice(at, 1);
    };
  }

  /** Runs until nothing is due any more, `until` has passed, or `done` says so. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    await turn();
    while (!done()) {
      const task = this.#tasks.at(-1);
      if (task === undefined || task.at > until) break;
      this.#tasks.pop();
      this.now = task.at;
      if (task.label !== '') this.note(task.label);
      task.run();
      await turn();
    }
    if (!done()) this.now = Math.max(this.now, until);
  }

  digest(): string {
    return this.#trace.copy().digest('hex');
  }

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  /** Kept with the next one last. */
  #insert(task: Task): void {
    let low = 0;
    let high = this.#tasks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#tasks[middle];
      if (other !== undefined && (other.at > task.at || (other.at === task.at && other.order > task.order)))
        low = middle + 1;
      else high = middle;
    }
    this.#tasks.splice(low, 0, task);
  }
}

/** A turn of the real event loop: every promise that could go on has done so. Nothing in the simulator waits for more. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One run of a process. After its death nothing that it began goes on, and nothing that it tries has an effect. */
export class Life {
  readonly name: string;
  readonly world: World;
  #alive = true;
  /** Steps that are left; every call to a disk is one. */
  #fuse = Infinity;
  #onDeath: () => void = () => undefined;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Dies in the middle of what it does then, between two of its steps. */
  dieAfter(steps: number, then: () => void): void {
    this.#fuse = steps;
    this.#onDeath = then;
  }

  end(): void {
    this.#alive = false;
  }

  step(): void {
    if (!this.#alive) throw new Killed(this.name);
    if (--this.#fuse > 0) return;
    this.#alive = false;
    this.#onDeath();
    throw new Killed(this.name);
  }

  after(ms: number, label: string, run: () => void): () => void {
    return this.world.after(ms, label, () => {
      if (this.#alive) run();
    });
  }

  /** Never resolves once it is dead. */
  sleep(ms: number, label = ''): Promise<void> {
    return new Promise((resolve) => this.after(ms, label, resolve));
  }
}
