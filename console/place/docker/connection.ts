/** One engine's client, its open raw connections, and how what it throws becomes ours. */
import http from 'node:http';
import https from 'node:https';
import { type Duplex, Readable } from 'node:stream';
import Docker, { type ContainerInspectInfo, type ImageInspectInfo } from 'dockerode';
import type { Address } from './address.ts';
import { engineError, statusOf } from './errors.ts';

export class Connection {
  readonly docker: Docker;
  readonly label: string;
  readonly host: string;
  /** As an engine of this machine is reached: a socket or a named pipe leads to it. */
  readonly isHere: boolean;
  readonly #agent: http.Agent;
  readonly #open = new Set<Duplex>();
  readonly #closing = new AbortController();
  #arch: Promise<'x64' | 'arm64'> | undefined;

  constructor(address: Address) {
    this.label = address.label;
    this.host = address.host;
    this.isHere = address.options.socketPath !== undefined;
    this.#agent = new (address.options.protocol === 'https' ? https : http).Agent({ keepAlive: true });
    const options: Docker.DockerOptions & { agent: http.Agent } = { ...address.options, agent: this.#agent };
    this.docker = new Docker(options);
  }

  /** Runs one call; what it throws names what could not be done, and on which container. */
  async ask<T>(what: string, call: (docker: Docker) => Promise<T>, container?: string): Promise<T> {
    try {
      return await call(this.docker);
    } catch (cause) {
      throw engineError(cause, { host: this.host, what, ...(container === undefined ? {} : { container }) });
    }
  }

  /** By tag, ID or unique prefix; null when there is none. */
  async findImage(ref: string): Promise<ImageInspectInfo | null> {
    try {
      return await this.docker.getImage(ref).inspect();
    } catch (cause) {
      if (statusOf(cause) === 404) return null;
      throw engineError(cause, { host: this.host, what: `inspect the image ${ref}` });
    }
  }

  /** Something of ours that has no tag and served its turn: one that stays is in nobody's way. */
  async dropImage(id: string): Promise<void> {
    await this.docker
      .getImage(id)
      .remove({ noprune: true })
      .catch(() => undefined);
  }

  /** The body of one GET as it comes. */
  stream(path: string, query: URLSearchParams, signal: AbortSignal): Promise<Readable> {
    return new Promise((resolve, reject) => {
      this.docker.modem.dial(
        // The client takes the last character of a path with a query for a question mark, and drops it.
        {
          path: `${path}?${query.toString()}?`,
          method: 'GET',
          isStream: true,
          abortSignal: signal,
          statusCodes: { 200: true },
        },
        (error: unknown, body?: unknown) => {
          if (body instanceof Readable) resolve(body);
          else reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** By name, ID or unique prefix; null when there is none. */
  async find(ref: string): Promise<ContainerInspectInfo | null> {
    try {
      return await this.docker.getContainer(encodeURIComponent(ref)).inspect();
    } catch (cause) {
      if (statusOf(cause) === 404) return null;
      throw engineError(cause, { host: this.host, what: `inspect ${ref}`, container: ref });
    }
  }

  /** A raw connection ends with the place. */
  keep<S extends Duplex>(stream: S): S {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    return stream;
  }

  /** Aborts with the place's end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The engine's machine, not the image's: the kit runs natively inside an emulated container too. */
  arch(): Promise<'x64' | 'arm64'> {
    this.#arch ??= this.ask('ask the engine what it runs on', (docker) => docker.version()).then(({ Arch }) =>
      Arch === 'arm64' || Arch === 'aarch64' ? 'arm64' : 'x64',
    );
    return this.#arch;
  }

  close(): void {
    this.#closing.abort();
    for (const stream of this.#open) stream.destroy();
    this.#agent.destroy();
  }
}
