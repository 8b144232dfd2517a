/** A container as it is now, as an image whose labels, variables and command are those asked for and nobody else's. */
import { dirname, join } from 'node:path/posix';
import { Readable } from 'node:stream';
import type { ContainerInspectInfo, ImageInspectInfo } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { CommitOptions, IncludedMount } from '../place.ts';
import type { ImageConfig } from './changes.ts';
import type { Connection } from './connection.ts';
import { envOf, listOf } from './facts.ts';
import { flatten, recast } from './recast.ts';
import { sameConfig } from './same-config.ts';
import { tagImage } from './tag.ts';
import { filterTar } from './tar-filter.ts';

export interface Committed {
  readonly id: string;
  readonly name: string;
  /** As it was created: that never changes. */
  readonly config: ContainerInspectInfo['Config'];
  /** ID of the image that it was started from. */
  readonly image: string;
  get(path: string): AsyncIterable<Uint8Array>;
}

/**
 * Resolves with the image's ID. Rejects with `taken` when the tag is there; the engine has no "tag unless it exists", so
 * between that look and the tag a few milliseconds stay.
 */
export async function commit(connection: Connection, container: Committed, options: CommitOptions): Promise<string> {
  /** Images that only led to the one that stays, oldest first. */
  const spare: string[] = [];
  try {
    const config = configOf(container.config, await connection.findImage(container.image), options);
    const { pause, message, include = [] } = options;
    const said = sayingEntrypoint(config, container.config);
    const bare = await commitLayer(connection, container, { pause, config: said, message });
    spare.push(bare);
    const layered = await withMounts(connection, bare, container, include, spare);
    // The engine merges the container's own labels and variables into what it is asked for: most have none of their own.
    const isExact = layered === bare && sameConfig((await connection.findImage(bare))?.Config ?? {}, config);
    if (isExact) {
      if (options.tag !== undefined) await tagImage(connection, bare, options.tag);
      spare.pop();
      return bare;
    }
    const image = await reconfigured(connection, layered, config, message);
    const dropped = dropImages(connection, spare.splice(0));
    spare.push(image);
    const tagged = options.tag === undefined ? undefined : tagImage(connection, image, options.tag);
    await Promise.all([tagged, dropped]);
    spare.pop();
    return image;
  } finally {
    await dropImages(connection, spare);
  }
}

/** `images` oldest first: one with descendants cannot be removed. */
async function dropImages(connection: Connection, images: readonly string[]): Promise<void> {
  for (const image of images.toReversed()) await connection.dropImage(image);
}

/** Command, user, ports and the like as the source image has them; variables as the container has them. */
function configOf(
  container: Committed['config'],
  source: ImageInspectInfo | null,
  { env, labels }: CommitOptions,
): ImageConfig {
  return {
    ...(source?.Config ?? container),
    Env: Object.entries({ ...envOf(container.Env), ...env }).map(([name, value]) => `${name}=${value}`),
    Labels: labels,
  };
}

/** Of an entrypoint that is not said the engine takes the container's, which may be Drydock's launcher. */
function sayingEntrypoint(config: ImageConfig, container: Committed['config']): ImageConfig {
  const isHidden = listOf(config.Entrypoint).length === 0 && listOf(container.Entrypoint).length > 0;
  return isHidden ? { ...config, Entrypoint: [] } : config;
}

async function reconfigured(
  connection: Connection,
  image: string,
  config: ImageConfig,
  message: string,
): Promise<string> {
  try {
    return await recast(connection, image, config, message);
  } catch (error) {
    if (error instanceof DrydockError && error.code === 'no-engine') throw error;
    return flatten(connection, image, config);
  }
}

async function commitLayer(
  connection: Connection,
  container: { readonly id: string; readonly name: string },
  { pause, config = {}, message = '' }: { pause: boolean; config?: ImageConfig; message?: string },
): Promise<string> {
  const what = `commit ${container.name}`;
  const options = { _query: { container: container.id, pause, comment: message }, _body: config };
  const commitCall = () => connection.docker.getContainer(container.id).commit(options) as Promise<{ Id: string }>;
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
  const blank = await reconfigured(connection, image, { Cmd: ['-'] }, '');
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
      const layered = await commitLayer(connection, { id: helper.id, name: container.name }, { pause: false });
      spare.push(layered);
      return layered;
    } finally {
      await helper.remove({ v: true, force: true });
    }
  });
}
