/** A container as it is now, as an image whose labels, variables and command are those asked for and nobody else's. */
import { dirname, join } from 'node:path/posix';
import { Readable } from 'node:stream';
import type { ContainerInspectInfo, ImageInspectInfo } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { CommitOptions, IncludedMount } from '../place.ts';
import type { ImageConfig } from './changes.ts';
import type { Connection } from './connection.ts';
import { envOf } from './facts.ts';
import { flatten, Recast } from './recast.ts';
import { tagImage } from './tag.ts';
import { filterTar } from './tar-filter.ts';

interface Committed {
  readonly id: string;
  readonly name: string;
  /** ID of the image that it was started from. */
  readonly image: string;
  get(path: string): AsyncIterable<Uint8Array>;
}

/**
 * Resolves with the image's ID. Rejects with `taken` when the tag is there; the engine has no "tag unless it exists", so
 * between that look and the tag a few milliseconds stay.
 */
export async function commit(
  connection: Connection,
  container: Committed,
  options: CommitOptions,
  recast = new Recast(connection),
): Promise<string> {
  /** Images that only led to the one that stays, oldest first. */
  const spare: string[] = [];
  try {
    const [inspected, source, bare] = await Promise.all([
      connection.find(container.id),
      connection.findImage(container.image),
      commitLayer(connection, container, options.pause),
    ]);
    spare.push(bare);
    if (inspected === null) throw new DrydockError('no-container', `There is no container ${container.name} any more.`);
    const config = configOf(inspected, source, options);
    const layered = await withMounts(connection, bare, container, options.include ?? [], spare);
    const image = await reconfigured(connection, recast, layered, config, options.message);
    const dropped = dropImages(connection, spare.splice(0));
    spare.push(image);
    await Promise.all([tagImage(connection, image, options.tag), dropped]);
    spare.pop();
    return image;
  } finally {
    recast.abandon();
    await dropImages(connection, spare);
  }
}

/** `images` oldest first: one with descendants cannot be removed. */
async function dropImages(connection: Connection, images: readonly string[]): Promise<void> {
  for (const image of images.toReversed()) await connection.dropImage(image);
}

/** Command, user, ports and the like as the source image has them; variables as the container has them. */
function configOf(
  container: ContainerInspectInfo,
  source: ImageInspectInfo | null,
  { env, labels }: CommitOptions,
): ImageConfig {
  return {
    ...(source ?? container).Config,
    Env: Object.entries({ ...envOf(container.Config.Env), ...env }).map(([name, value]) => `${name}=${value}`),
    Labels: labels,
  };
}

async function reconfigured(
  connection: Connection,
  recast: Recast,
  image: string,
  config: ImageConfig,
  message: string,
): Promise<string> {
  try {
    return await recast.finish(image, config, message);
  } catch (error) {
    // Opened long before, the load may have ended with an engine that was restarted since.
    if (error instanceof DrydockError && error.code === 'no-engine') {
      return new Recast(connection).finish(image, config, message);
    }
    return flatten(connection, image, config);
  }
}

async function commitLayer(
  connection: Connection,
  container: { readonly id: string; readonly name: string },
  pause: boolean,
): Promise<string> {
  const what = `commit ${container.name}`;
  const commitCall = () => connection.docker.getContainer(container.id).commit({ pause }) as Promise<{ Id: string }>;
  return (await connection.ask(what, commitCall, container.name)).Id;
}

/**
 * What is mounted goes into a container without mounts, which is committed: owners stay as they are, which a build's
 * COPY does not give. A volume that the image declares would swallow it, so none is declared there.
 */
async function withMounts(
  connection: Connection,
  image: string,
  container: Committed,
  mounts: readonly IncludedMount[],
  spare: string[],
): Promise<string> {
  if (mounts.length === 0) return image;
  const recast = new Recast(connection);
  const blank = await reconfigured(connection, recast, image, { Cmd: ['-'] }, '');
  spare.push(blank);
  const what = `put the mounted folders of ${container.name} into the image`;
  return connection.ask(what, async (docker) => {
    const helper = await docker.createContainer({ Image: blank, Cmd: ['-'] });
    try {
      for (const { path, leaveOut } of mounts) {
        const parent = dirname(path);
        const tar = filterTar(container.get(path), (name) => !leaveOut(join(parent, name)));
        await helper.putArchive(Readable.from(tar, { objectMode: false }), { path: parent });
      }
      const layered = await commitLayer(connection, { id: helper.id, name: container.name }, false);
      spare.push(layered);
      return layered;
    } finally {
      await helper.remove({ v: true, force: true });
    }
  });
}
