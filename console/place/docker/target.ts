/** One container, by its full ID: what is asked of it never reaches another one of the same name. */
import { Readable } from 'node:stream';
import type { Container, ContainerInspectInfo, ContainerInspectOptions } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type {
  CommitOptions,
  Facts,
  Incarnation,
  LogChunk,
  LogOptions,
  RecreateSpec,
  SpawnOptions,
  StartedContainer,
  Stdio,
  Target,
  TargetEvent,
} from '../place.ts';
import { commit } from './commit.ts';
import type { Connection } from './connection.ts';
import { engineError, statusOf } from './errors.ts';
import { events } from './events.ts';
import { spawn } from './exec.ts';
import { containerName, factsOf } from './facts.ts';
import { logs } from './logs.ts';
import { recreate } from './recreate.ts';

export class DockerTarget implements Target {
  readonly id: Incarnation;
  readonly arch: 'x64' | 'arm64';
  readonly root = '/';
  readonly #connection: Connection;
  readonly #name: string;
  readonly #config: ContainerInspectInfo['Config'];
  /** As it was when it was opened, for the first who asks. */
  #opened: ContainerInspectInfo | undefined;

  constructor(connection: Connection, inspected: ContainerInspectInfo, arch: 'x64' | 'arm64') {
    this.id = {
      place: connection.label,
      container: inspected.Id,
      image: inspected.Image,
      startedAt: inspected.State.StartedAt,
    };
    this.arch = arch;
    this.#connection = connection;
    this.#name = containerName(inspected);
    this.#config = inspected.Config;
    this.#opened = inspected;
  }

  async facts(): Promise<Facts> {
    const inspected = this.#opened ?? (await this.#ask('inspect', (container) => container.inspect()));
    this.#opened = undefined;
    return { ...factsOf(inspected), isHere: this.#connection.isHere };
  }

  spawn(argv: readonly string[], options: SpawnOptions): Promise<Stdio> {
    return spawn(this.#connection, { id: this.id.container, name: this.#name }, argv, options);
  }

  async exists(path: string): Promise<boolean> {
    return this.#ask('look into', async (container) => {
      try {
        await container.infoArchive({ path });
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        throw error;
      }
    });
  }

  async put(dir: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const body = Readable.from(tar, { objectMode: false });
    try {
      await this.#ask(`put files into ${dir} of`, (container) => container.putArchive(body, { path: dir }));
    } catch (error) {
      throw (await this.#missing(error, dir)) ?? error;
    } finally {
      body.destroy();
    }
  }

  async *get(path: string): AsyncGenerator<Uint8Array> {
    const what = `read ${path} of`;
    const body = await this.#ask(what, (container) => container.getArchive({ path })).catch(async (error: unknown) => {
      throw (await this.#missing(error, path)) ?? error;
    });
    yield* this.#chunks(body, what);
  }

  /** Through a container that is never started. */
  async *getOfImage(path: string): AsyncGenerator<Uint8Array> {
    const what = `read ${path} of the image of`;
    const ask = <T>(call: (docker: Connection['docker']) => Promise<T>) =>
      this.#connection.ask(`${what} ${this.#name}`, call);
    const unstarted = await ask((docker) =>
      docker.createContainer({ Image: this.id.image, Entrypoint: [], Cmd: ['-'] }),
    );
    try {
      yield* this.#chunks(await ask(() => unstarted.getArchive({ path })), what);
    } finally {
      await ask(() => unstarted.remove({ v: true, force: true }));
    }
  }

  logs(options: LogOptions): AsyncIterable<LogChunk> {
    return logs(this.#connection, { id: this.id.container, name: this.#name, tty: this.#config.Tty }, options);
  }

  events(signal: AbortSignal): AsyncIterable<TargetEvent> {
    return events(this.#connection, this.id, this.#name, signal);
  }

  async changes(): ReturnType<Target['changes']> {
    const rows: unknown = await this.#ask('list what changed in', (container) => container.changes());
    return (Array.isArray(rows) ? rows : []).map((row: { Path: string; Kind: number }) => ({
      path: row.Path,
      kind: row.Kind === 0 ? 'modified' : row.Kind === 1 ? 'added' : 'deleted',
    }));
  }

  async writableSize(): Promise<number> {
    const options: ContainerInspectOptions & { readonly size: true } = { size: true };
    const inspected = await this.#ask('measure', (container) => container.inspect(options));
    const size: unknown = 'SizeRw' in inspected ? inspected.SizeRw : undefined;
    return typeof size === 'number' ? size : 0;
  }

  commit(options: CommitOptions): Promise<string> {
    const container = {
      id: this.id.container,
      name: this.#name,
      config: this.#config,
      image: this.id.image,
      get: (path: string) => this.get(path),
    };
    return commit(this.#connection, container, options);
  }

  async recreate(spec: RecreateSpec): Promise<StartedContainer> {
    const inspected = await this.#ask('inspect', (container) => container.inspect());
    return recreate(this.#connection, inspected, spec);
  }

  readonly lifecycle = {
    stop: (seconds: number) => this.#change('stop', (container) => container.stop({ t: seconds })),
    start: () => this.#change('start', (container) => container.start()),
    restart: (seconds: number) => this.#change('restart', (container) => container.restart({ t: seconds })),
    remove: () => this.#change('remove', (container) => container.remove({ v: true, force: true })),
  };

  #ask<T>(what: string, call: (container: Container) => Promise<T>): Promise<T> {
    return this.#connection.ask(
      `${what} ${this.#name}`,
      (docker) => call(docker.getContainer(this.id.container)),
      this.#name,
    );
  }

  /** 304: it is as it was asked to be already. */
  async #change(what: string, call: (container: Container) => Promise<unknown>): Promise<void> {
    await this.#ask(what, async (container) => {
      try {
        await call(container);
      } catch (error) {
        if (statusOf(error) !== 304) throw error;
      }
    });
  }

  async *#chunks(body: NodeJS.ReadableStream, what: string): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    } catch (cause) {
      throw this.#error(cause, what);
    }
  }

  #error(cause: unknown, what: string): DrydockError {
    return engineError(cause, {
      host: this.#connection.host,
      what: `${what} ${this.#name}`,
      container: this.#name,
    });
  }

  /** An upload that is refused ends as a broken pipe as often as with the answer: the reason is asked for. */
  async #missing(error: unknown, path: string): Promise<DrydockError | undefined> {
    if (!(error instanceof DrydockError) || (error.code !== 'io' && error.code !== 'no-engine')) return undefined;
    try {
      await this.#ask('look into', (container) => container.infoArchive({ path }));
      return undefined;
    } catch (reason) {
      if (!(reason instanceof DrydockError)) return undefined;
      if (reason.code !== 'io') return reason;
      return new DrydockError('io', `There is no ${path} in ${this.#name}.`, { cause: error });
    }
  }
}
