/** The Docker Engine as a place. Loading dockerode takes a quarter of a second: import this file only when it is needed. */
import type { ContainerInspectInfo } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { Found, Place, Target } from '../place.ts';
import { findAddress } from './address.ts';
import { Connection } from './connection.ts';
import { notRunning } from './errors.ts';
import { DockerImages } from './images.ts';
import { nearNames } from './near.ts';
import { DockerTarget } from './target.ts';

/** Nothing is sent yet: an engine that is not there shows at the first question. */
export async function openDocker(options: { readonly host?: string; readonly env: NodeJS.ProcessEnv }): Promise<Place> {
  return new Docker(new Connection(await findAddress(options.host, options.env)));
}

class Docker implements Place {
  readonly label: string;
  readonly images: DockerImages;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.label = connection.label;
    this.#connection = connection;
    this.images = new DockerImages(connection);
  }

  async list(signal?: AbortSignal): Promise<readonly Found[]> {
    const rows = await this.#connection.ask('list the containers', (docker) =>
      docker.listContainers({ all: true, ...(signal === undefined ? {} : { abortSignal: signal }) }),
    );
    return rows.map((row) => ({
      id: row.Id,
      // A link shows as a second name, with a slash in it.
      name: row.Names.map((name) => name.slice(1)).find((name) => !name.includes('/')) ?? row.Id.slice(0, 12),
      image: row.Image,
      state: stateOf(row.State),
      status: row.Status,
      labels: row.Labels,
    }));
  }

  async open(ref: string, { stopped = false }: { readonly stopped?: boolean } = {}): Promise<Target> {
    const [inspected, arch] = await Promise.all([this.#connection.find(ref), this.#connection.arch()]);
    if (inspected === null) throw await this.#unknown(ref);
    const { Status: state, Running: running } = inspected.State;
    if (!stopped && (!running || state !== 'running')) throw notRunning(nameOf(inspected), state);
    return new DockerTarget(this.#connection, inspected, arch);
  }

  async remove(id: string): Promise<void> {
    if ((await this.#connection.find(id)) === null) return;
    await this.#connection.ask(
      `remove ${id}`,
      (docker) => docker.getContainer(id).remove({ v: true, force: true }),
      id,
    );
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  async #unknown(ref: string): Promise<DrydockError> {
    const found = await this.list();
    const near = nearNames(
      ref,
      found.map(({ name }) => name),
    );
    const running = found.filter(({ state }) => state === 'running').map(({ name }) => name);
    return new DrydockError('no-container', `There is no container ${ref}.`, {
      hint:
        near.length > 0
          ? `Did you mean ${near.join(' or ')}?`
          : running.length > 0
            ? `Running now: ${running.slice(0, 8).join(', ')}.`
            : 'No container is running: start one with `docker run` or `drydock run IMAGE`.',
    });
  }
}

function nameOf(inspected: ContainerInspectInfo): string {
  return inspected.Name.slice(1);
}

const STATES: ReadonlySet<string> = new Set<Found['state']>([
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]);

function stateOf(state: string): Found['state'] {
  return isState(state) ? state : 'dead';
}

function isState(state: string): state is Found['state'] {
  return STATES.has(state);
}
