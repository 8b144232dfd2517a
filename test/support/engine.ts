/**
 * The real engine that DOCKER_HOST or the docker context names, and containers of a test's own: labelled, and removed
 * by their ID when they go out of scope (`await using`).
 */
import { randomBytes } from 'node:crypto';
import Docker, { type ContainerCreateOptions } from 'dockerode';
import { findAddress } from '../../console/place/docker/address.ts';
import { openDocker } from '../../console/place/docker/docker.ts';
import type { Images, Place, Target } from '../../console/place/place.ts';
import { busyboxImage } from './busybox.ts';
import { OWNER } from './leftovers.ts';

export interface TestEngine extends AsyncDisposable {
  readonly place: Place;
  readonly images: Images;
  /** What a test does to containers and Drydock doesn't. */
  readonly docker: Docker;
}

export interface TestContainer extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly target: Target;
}

export interface TestContainerOptions {
  /** Value of the label `drydock.test`. */
  readonly part: string;
  readonly name?: string;
  /** The tests' busybox when absent. */
  readonly image?: string;
  /** Shell script for busybox's container; it waits afterwards. */
  readonly script?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly tty?: boolean;
  readonly user?: string;
  readonly host?: ContainerCreateOptions['HostConfig'];
  /** Anything else, as the engine's API calls it. */
  readonly config?: ContainerCreateOptions;
}

/** Rejects as Drydock does where there is no engine: these tests are not skipped. */
export async function engine(): Promise<TestEngine> {
  const place = await openDocker({ env: process.env });
  const { images } = place;
  if (images === undefined) throw new Error('A Docker Engine has images.');
  const { options } = await findAddress(undefined, process.env);
  return {
    place,
    images,
    docker: new Docker(options),
    [Symbol.asyncDispose]: () => place.close(),
  };
}

export async function withContainer(engine: TestEngine, options: TestContainerOptions): Promise<TestContainer> {
  const name = options.name ?? uniqueName(options.part);
  const env = { ...options.env, ...(options.script === undefined ? {} : { RUN: options.script }) };
  const created = await engine.docker.createContainer({
    name,
    Image: options.image ?? (await busyboxImage(engine.images)),
    Labels: { ...options.labels, 'drydock.test': options.part, ...OWNER },
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    Tty: options.tty ?? false,
    ...(options.user === undefined ? {} : { User: options.user }),
    HostConfig: options.host ?? {},
    ...options.config,
  });
  const remove = async () => {
    // It may be gone already: that was the test.
    await engine.docker.getContainer(created.id).remove({ force: true, v: true }).catch(isGone);
  };
  try {
    await created.start();
    return { id: created.id, name, target: await engine.place.open(created.id), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A repository name for a test's images, which are removed when it goes out of scope. */
export function withRepository(engine: TestEngine, part: string): AsyncDisposable & { readonly name: string } {
  const name = uniqueName(part);
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      for (const tag of await engine.images.tags(name)) await engine.images.remove(tag);
    },
  };
}

export function uniqueName(part: string): string {
  return `drydock-test-${part}-${randomBytes(4).toString('hex')}`;
}

function isGone(error: unknown): void {
  // 404: no such container; 409: its removal is under way.
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status !== 404 && status !== 409) throw error;
}
