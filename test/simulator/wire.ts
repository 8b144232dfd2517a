/** The container's endpoint as the console sees it: late, in order on the first connection and out of order beside it. */
import {
  ContentMoved,
  type Change,
  type ContentSource,
  type Endpoint,
  type EndpointInfo,
  type Left,
  type Observation,
  type Outcome,
  type Scan,
  type Watch,
} from '../../shared/core/sync/endpoint.ts';
import type { Digest, Path } from '../../shared/core/sync/tree.ts';
import { Killed, type Life, type World } from './world.ts';

type Direction = 'up' | 'down';

export class Wire implements Endpoint {
  readonly info: EndpointInfo;
  readonly #world: World;
  readonly #console: Life;
  readonly #agent: Life;
  readonly #there: Endpoint;
  readonly #last: Record<Direction, number> = { up: 0, down: 0 };
  readonly #pending = new Set<(error: Error) => void>();
  #isCut = false;

  constructor(console: Life, agent: Life, there: Endpoint) {
    this.#world = console.world;
    this.#console = console;
    this.#agent = agent;
    this.#there = there;
    this.info = there.info;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** What is under way arrives nowhere. */
  cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    for (const reject of this.#pending) reject(new Error('the link is gone'));
    this.#pending.clear();
  }

  scan(): Promise<Scan> {
    return this.#call('scan', () => this.#there.scan());
  }

  async watch(onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void): Promise<Watch> {
    const twice = (run: () => void) => {
      run();
      // As after a reconnect of which only one end knew: the same news again.
      if (this.#world.chance(0.05)) run();
    };
    const watch = await this.#call('watch', () =>
      this.#there.watch(
        (batch) => this.#send('down', 'news', () => twice(() => onChange(batch))),
        (reason) => this.#send('down', 'lost', () => twice(() => onLost(reason))),
      ),
    );
    return { close: () => this.#call('unwatch', () => watch.close()) };
  }

  async *read(path: Path, digest: Digest): AsyncGenerator<Uint8Array> {
    yield* await this.#beside('read', this.#agent, () => all(this.#there.read(path, digest)));
  }

  async apply(batch: readonly Change[], content: ContentSource): Promise<readonly Outcome[]> {
    const inline = new Map<Digest, Uint8Array[]>();
    for (const { path, after } of batch) {
      if (after?.kind !== 'file' || this.#world.chance(0.3)) continue;
      try {
        inline.set(after.digest, await all(content.open(after.digest, path)));
      } catch (error) {
        // It moved: the agent will ask, and be told.
        if (!(error instanceof ContentMoved)) throw error;
      }
    }
    const open = (digest: Digest, path: Path) => this.#content(inline.get(digest), content, digest, path);
    return this.#call('apply', () => this.#there.apply(batch, { open }));
  }

  left(): Promise<readonly Left[]> {
    return this.#call('left', () => this.#there.left());
  }

  async *readHeld(held: string): AsyncGenerator<Uint8Array> {
    yield* await this.#beside('read-held', this.#agent, () => all(this.#there.readHeld(held)));
  }

  release(held: readonly string[]): Promise<void> {
    return this.#call('release', () => this.#there.release(held));
  }

  close(): Promise<void> {
    return this.#call('close', () => this.#there.close());
  }

  async *#content(
    inline: Uint8Array[] | undefined,
    content: ContentSource,
    digest: Digest,
    path: Path,
  ): AsyncGenerator<Uint8Array> {
    yield* inline ?? (await this.#beside('content', this.#console, () => all(content.open(digest, path))));
  }

  /** A call on the first connection: what is sent first arrives first, answers and events alike. */
  #call<T>(label: string, work: () => Promise<T>): Promise<T> {
    return this.#answered((settle) => {
      this.#send('up', label, () => {
        work().then(
          (value) => this.#send('down', `${label} answered`, () => settle(() => value)),
          (error: unknown) => {
            if (!(error instanceof Killed)) this.#send('down', `${label} failed`, () => settle(thrower(error)));
          },
        );
      });
    });
  }

  /** A stream on the second connection, which `at` serves. */
  #beside<T>(label: string, at: Life, work: () => Promise<T>): Promise<T> {
    return this.#answered((settle) => {
      const later = (what: string, run: () => void) =>
        this.#world.after(this.#world.latency(2), what, () => {
          if (!this.#isCut && at.alive) run();
        });
      later(label, () => {
        work().then(
          (value) => later(`${label} came`, () => settle(() => value)),
          (error: unknown) => {
            if (!(error instanceof Killed)) later(`${label} failed`, () => settle(thrower(error)));
          },
        );
      });
    });
  }

  #answered<T>(begin: (settle: (get: () => T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isCut) {
        reject(new Error('the link is gone'));
        return;
      }
      this.#pending.add(reject);
      begin((get) => {
        this.#pending.delete(reject);
        try {
          resolve(get());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #send(direction: Direction, label: string, deliver: () => void): void {
    const to = direction === 'up' ? this.#agent : this.#console;
    const at = Math.max(this.#last[direction], this.#world.now + this.#world.latency(2));
    this.#last[direction] = at;
    this.#world.after(at - this.#world.now, `${direction} ${label}`, () => {
      if (!this.#isCut && to.alive) deliver();
    });
  }
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const list: Uint8Array[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return list;
}

function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}
