/** Images of a Docker Engine, and new containers from them. */
import { Readable } from 'node:stream';
import type { ContainerCreateOptions, ImageBuildOptions } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { BuildOptions, ImageInfo, Images, RunSpec, StartedContainer } from '../place.ts';
import type { Connection } from './connection.ts';
import { engineWords, statusOf } from './errors.ts';
import { envOf, exposedPorts, listOf } from './facts.ts';
import { volumeMount } from './filled-volume.ts';
import { followProgress } from './progress.ts';
import { startContainer } from './start.ts';
import { splitTag } from './tag.ts';

export class DockerImages implements Images {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async inspect(ref: string): Promise<ImageInfo | null> {
    const image = await this.#connection.findImage(ref);
    if (image === null) return null;
    const { Config: config } = image;
    return {
      id: image.Id,
      tags: listOf(image.RepoTags),
      labels: { ...config.Labels },
      env: envOf(config.Env),
      size: image.Size,
      layers: image.RootFS.Layers?.length ?? 0,
      created: image.Created,
      exposed: exposedPorts(config.ExposedPorts),
      cmd: listOf(config.Cmd),
      entrypoint: listOf(config.Entrypoint),
      user: config.User,
      workingDir: config.WorkingDir,
    };
  }

  async tags(name: string): Promise<readonly string[]> {
    const found = await this.#connection.ask(`list the tags of ${name}`, (docker) =>
      docker.listImages({ filters: { reference: [name] } }),
    );
    return found.flatMap((image) => listOf(image.RepoTags)).filter((tag) => splitTag(tag).repo === name);
  }

  async build(context: AsyncIterable<Uint8Array>, options: BuildOptions): Promise<string> {
    let output = '';
    const { id } = await this.#follow(
      'build the image',
      (docker) => docker.buildImage(Readable.from(context, { objectMode: false }), buildQuery(options)),
      (text) => {
        output += text;
        options.onOutput(text);
      },
      options.signal,
    ).catch((error: unknown) => {
      throw error instanceof DrydockError && error.code === 'not-well' ? failedBuild(error, output) : error;
    });
    if (id === undefined) throw new DrydockError('io', 'The build ended without an image.');
    for (const tag of options.tags.slice(1)) await this.tag(id, tag);
    return id;
  }

  async import(tar: AsyncIterable<Uint8Array>, tag: string, changes: readonly string[]): Promise<string> {
    const { last } = await this.#follow(`import ${tag}`, (docker) =>
      docker.importImage(Readable.from(tar, { objectMode: false }), { ...tagQuery(tag), changes }),
    );
    return last;
  }

  async pull(ref: string, onProgress: (text: string) => void, signal?: AbortSignal): Promise<string> {
    const query = ref.includes('@') ? { fromImage: ref } : { fromImage: splitTag(ref).repo, tag: splitTag(ref).tag };
    await this.#follow(`pull ${ref}`, (docker) => docker.createImage(query), onProgress, signal);
    const image = await this.#connection.findImage(ref);
    if (image === null) throw new DrydockError('io', `The engine pulled ${ref} and has no such image.`);
    return image.Id;
  }

  async tag(ref: string, tag: string): Promise<void> {
    await this.#connection.ask(`tag ${ref} as ${tag}`, (docker) => docker.getImage(ref).tag(splitTag(tag)));
  }

  async remove(ref: string): Promise<void> {
    await this.#connection.ask(`remove the image ${ref}`, async (docker) => {
      try {
        await docker.getImage(ref).remove();
      } catch (cause) {
        if (statusOf(cause) !== 409) throw cause;
        throw new DrydockError('taken', `The image ${ref} is in use: ${engineWords(cause)}`, {
          hint: 'Remove what uses it first.',
          cause,
        });
      }
    });
  }

  run(spec: RunSpec): Promise<StartedContainer> {
    return startContainer(this.#connection, spec, createBody(spec));
  }

  async removeUnused(label: string): Promise<void> {
    const found = await this.#connection.ask('list the images without a tag', (docker) =>
      docker.listImages({ filters: { label: [label], dangling: ['true'] } }),
    );
    for (const { Id } of found) await this.#connection.dropImage(Id); // one that is in use stays
  }

  async removeContainer(id: string): Promise<void> {
    await this.#connection.ask(`remove the container ${id}`, (docker) =>
      docker.getContainer(id).remove({ v: true, force: true }),
    );
  }

  /** A stream that is aborted rejects with `cancelled`. */
  async #follow(
    what: string,
    call: (docker: Connection['docker']) => Promise<NodeJS.ReadableStream>,
    onText?: (text: string) => void,
    signal?: AbortSignal,
  ): ReturnType<typeof followProgress> {
    return this.#connection.ask(what, async (docker) => {
      const body = await call(docker);
      const stop = () => {
        if (body instanceof Readable) body.destroy();
      };
      signal?.addEventListener('abort', stop, { once: true });
      try {
        if (signal?.aborted === true) stop();
        return await followProgress(body, onText);
      } catch (error) {
        if (signal?.aborted === true) throw new DrydockError('cancelled', `Stopped: ${what}.`, { cause: error });
        throw error;
      } finally {
        signal?.removeEventListener('abort', stop);
      }
    });
  }
}

/** The engine's classic builder: it needs no session, and its steps are numbered. */
function buildQuery(options: BuildOptions): ImageBuildOptions {
  return {
    version: '1',
    dockerfile: options.dockerfile,
    ...(options.tags[0] === undefined ? {} : { t: options.tags[0] }),
    labels: { ...options.labels },
    buildargs: { ...options.buildArgs },
    rm: true,
    forcerm: true,
  };
}

function tagQuery(tag: string): { repo: string; tag: string } {
  return splitTag(tag);
}

function failedBuild(error: DrydockError, output: string): DrydockError {
  const step = output.match(/^Step \d+\/\d+ : .*$/gm)?.at(-1);
  const words = output.trimEnd().split('\n').slice(-12).join('\n');
  const at = step === undefined ? '' : ` at ${step.replace(/^Step (\d+\/\d+) : /, 'step $1, ')}`;
  return new DrydockError('not-well', `The build failed${at}: ${error.message}`, {
    hint: `The builder’s last words:\n${words}`,
    cause: error,
  });
}

function createBody(spec: RunSpec): ContainerCreateOptions {
  return {
    name: spec.name,
    Image: spec.image,
    Labels: { ...spec.labels },
    Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
    ExposedPorts: Object.fromEntries(spec.ports.map(({ container }) => [`${container}/tcp`, {}])),
    ...(spec.user === undefined ? {} : { User: spec.user }),
    ...(spec.entrypoint === undefined ? {} : { Entrypoint: [...spec.entrypoint] }),
    ...(spec.command === undefined ? {} : { Cmd: [...spec.command] }),
    Tty: spec.tty ?? false,
    HostConfig: {
      PortBindings: Object.fromEntries(
        spec.ports.map(({ container, host }) => [
          `${container}/tcp`,
          [{ HostIp: '127.0.0.1', HostPort: host === 0 ? '' : String(host) }],
        ]),
      ),
      Mounts: [
        ...(spec.mounts ?? []).map(({ type, source, destination, writable }) => ({
          Type: type === 'other' ? ('bind' as const) : type,
          Source: source,
          Target: destination,
          ReadOnly: !writable,
        })),
        ...(spec.volume === undefined ? [] : [volumeMount(spec.volume, true)]),
      ],
      CapDrop: [...(spec.capDrop ?? [])],
      AutoRemove: spec.autoRemove ?? false,
    },
  };
}
