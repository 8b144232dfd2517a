/** A new container from what the engine wants to know of it: made, its volume filled, started, or gone again. */
import type { ContainerCreateOptions } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { FilledVolume, StartedContainer } from '../place.ts';
import type { Connection } from './connection.ts';
import { engineWords, statusOf } from './errors.ts';
import { fillVolume } from './filled-volume.ts';

interface Wanted {
  readonly image: string;
  readonly name: string;
  /** On 127.0.0.1, as far as they are known. */
  readonly ports: readonly { readonly host: number }[];
  readonly volume?: FilledVolume;
}

export function startContainer(
  connection: Connection,
  wanted: Wanted,
  body: ContainerCreateOptions,
): Promise<StartedContainer> {
  const { image, name, volume } = wanted;
  return connection.ask(`run ${image} as ${name}`, async (docker) => {
    const container = await docker.createContainer(body).catch((error: unknown) => {
      throw refusedCreate(error, wanted);
    });
    try {
      if (volume !== undefined) await fillVolume(docker, container, image, volume);
      await container.start();
    } catch (error) {
      // What never ran is in nobody's way.
      await container.remove({ v: true, force: true }).catch(() => undefined);
      throw refusedStart(error, wanted);
    }
    return { id: container.id, name };
  });
}

function refusedCreate(error: unknown, { name, image, volume }: Wanted): unknown {
  if (statusOf(error) === 403 && volume !== undefined) {
    return new DrydockError('no-permission', `The engine refuses ${name} its volume: ${engineWords(error)}`, {
      hint: `Start it without one and attach: \`docker run -d --name ${name} ${image}\`, then \`drydock attach ${name}\`.`,
      cause: error,
    });
  }
  if (statusOf(error) === 409) {
    return new DrydockError('taken', `A container named ${name} exists already.`, {
      hint: `Choose another name, or remove that one: \`docker rm -f ${name}\`.`,
      cause: error,
    });
  }
  if (statusOf(error) === 404 && /no such image/i.test(engineWords(error))) {
    return new DrydockError('usage', `The engine has no image ${image}.`, {
      hint: `Fetch it with \`docker pull ${image}\`, or build one with \`drydock build DIR\`.`,
      cause: error,
    });
  }
  return error;
}

function refusedStart(error: unknown, { ports }: Wanted): unknown {
  const words = engineWords(error);
  if (!/port is already allocated|address already in use/i.test(words)) return error;
  const port = /127\.0\.0\.1:(\d+)/.exec(words)?.[1] ?? ports.map(({ host }) => host).join(', ');
  return new DrydockError('taken', `The port 127.0.0.1:${port} is in use.`, {
    hint: 'Choose another host port, or 0 for any free one.',
    cause: error,
  });
}
