/** An image as a new container of Drydock's own, its scoring port on the host's loopback. */
import { createServer } from 'node:net';
import { DrydockError } from '../../shared/core/errors.ts';
import { kitVolume, LAUNCHER, type Kit } from '../kit/kit.ts';
import type { ImageInfo, Images, Place, RunSpec } from '../place/place.ts';
import type { RunResult } from './view.ts';

/** On every container that Drydock started, and never on an image: only these may it remove. */
export const OWN_LABEL = 'io.drydock.started-by';
export const OWN_LABEL_VALUE = 'drydock-run';

export interface RunOptions {
  readonly image: string;
  /** Wanted; with `-2`, `-3`, … where it is taken. */
  readonly name: string;
  /** Host port wanted for the scoring service; the next free one where it is taken. */
  readonly port?: number;
  /** Port of the service in the container, where it isn't the one that the image tells. */
  readonly containerPort?: number;
  /** A container of this name that Drydock started is removed first. */
  readonly replace?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** Host port wanted for a debugger on 5678 in the container; not published when absent. */
  readonly debugPort?: number;
  readonly scorePath?: string;
  /** The container has the agent from its start and survives the end of its service; without, it is as the image says. */
  readonly kit?: Kit;
}

/** The new container, and where it is reached on this machine. */
export interface Started extends RunResult {
  readonly image: string;
  readonly scoreUrl: string;
  readonly healthUrl: string;
  readonly debugPort: number | null;
}

const DEBUGGER = 5678;
const FIRST_PORT = 8000;
const TRIES = 50;

/** Rejects with `usage` for an image that isn't there, `taken` when fifty names and ports in a row are. */
export async function runImage(place: Place, options: RunOptions): Promise<Started> {
  const images = imagesOf(place);
  const image = await images.inspect(options.image);
  if (image === null) {
    throw new DrydockError('usage', `The engine has no image ${options.image}.`, {
      hint: `Fetch it with \`docker pull ${options.image}\`, or build one with \`drydock build DIR\`.`,
    });
  }
  const launched =
    options.kit === undefined ? {} : launch(options.image, [...image.entrypoint, ...image.cmd], options.kit);
  if (options.replace === true) await removeOwn(place, options.name);
  const container = options.containerPort ?? scoringPort(image);
  let name = await freeName(place, options.name);
  let host = await freePort(options.port ?? FIRST_PORT);
  let debug = options.debugPort === undefined ? null : await freePort(options.debugPort);
  for (let tries = 1; ; tries += 1) {
    try {
      const { id } = await images.run({
        image: options.image,
        name,
        labels: { ...options.labels, [OWN_LABEL]: OWN_LABEL_VALUE },
        ports: [{ container, host }, ...(debug === null ? [] : [{ container: DEBUGGER, host: debug }])],
        ...launched,
      });
      const url = `http://127.0.0.1:${host}`;
      const scoreUrl = url + (options.scorePath ?? '/score');
      return { name, id, image: options.image, scoreUrl, healthUrl: `${url}/`, debugPort: debug };
    } catch (error) {
      if (!(error instanceof DrydockError) || error.code !== 'taken' || tries === TRIES) throw error;
      // Somebody was quicker, or the engine knows of a use that cannot be seen from here.
      const next = await freeName(place, options.name);
      if (next === name) {
        host = await freePort(host + 1);
        if (debug !== null) debug = await freePort(debug + 1);
      }
      name = next;
    }
  }
}

/**
 * What makes a container survive its service: the kit, mounted, and its launcher as the first process, which starts
 * `command` as the engine would. Nothing of it is in an image that is committed from it.
 */
export function launch(image: string, command: readonly string[], kit: Kit): Partial<RunSpec> {
  if (command.length === 0) {
    throw new DrydockError('usage', `The image ${image} names no command that it runs.`, {
      hint: 'Give it a CMD in its Dockerfile, or choose another image.',
    });
  }
  return { volume: kitVolume(kit), entrypoint: LAUNCH, command };
}

export const LAUNCH = ['/bin/sh', LAUNCHER] as const;

/** Removes the container of that name if Drydock started it; rejects with `taken` if somebody else did. */
export async function removeOwn(place: Place, name: string): Promise<void> {
  const found = (await place.list()).find((container) => container.name === name);
  if (found === undefined) return;
  if (found.labels[OWN_LABEL] !== OWN_LABEL_VALUE) {
    throw new DrydockError('taken', `The container ${name} was not started by Drydock: it stays as it is.`, {
      hint: 'Choose another name with --name.',
    });
  }
  await imagesOf(place).removeContainer(found.id);
}

/**
 * 5001 where the image exposes it or nothing (Azure's images); else what a label or PORT says, else the one that it
 * exposes first. 8883 and 8888 are other services of Azure's base images, 5678 is the debugger.
 */
export function scoringPort({ exposed, labels, env }: Pick<ImageInfo, 'exposed' | 'labels' | 'env'>): number {
  if (exposed.includes(5001)) return 5001;
  for (const text of [labels['azureml-port'], env['PORT']]) {
    const port = Number(text);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  }
  return exposed.find((port) => ![5678, 8883, 8888].includes(port)) ?? 5001;
}

/** `wanted`, or the first of `wanted-2`, `wanted-3`, … that no container has. */
export async function freeName(place: Place, wanted: string): Promise<string> {
  const names = new Set((await place.list()).map(({ name }) => name));
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!names.has(name)) return name;
  }
}

/** The first from `port` on that this machine can listen on: the engine's own answer takes a third of a second each. */
async function freePort(port: number): Promise<number> {
  for (let candidate = port; candidate < Math.min(port + TRIES, 65_536); candidate += 1) {
    if (await canListen(candidate)) return candidate;
  }
  throw new DrydockError('taken', `The ports 127.0.0.1:${port} to ${port + TRIES - 1} are all in use.`, {
    hint: 'Choose another with --port.',
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function imagesOf(place: Place): Images {
  if (place.images !== undefined) return place.images;
  throw new DrydockError('usage', `${place.label} runs no images.`, { hint: 'Choose a Docker engine.' });
}
