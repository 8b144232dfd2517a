/** Scoring images for tests, built once for the same sources and kept between runs. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBase } from '../../console/images/base.ts';
import { contextTar } from '../../console/images/context.ts';
import { openDocker } from '../../console/place/docker/docker.ts';
import type { Images, Place } from '../../console/place/place.ts';
import { buildSample, CHECKOUT, KIT, SAMPLE } from '../../setup/sample.ts';

/**
 * `user` and `root`: the sample as uid 1000 and as root, with the kit baked in by the top-level Dockerfile.steps;
 * `plain-user` and `plain-root` know nothing of Drydock; `bare`: Debian with Python and runit, without a service.
 */
export const VARIANTS = ['plain-user', 'plain-root', 'user', 'root', 'bare'] as const;
export type Variant = (typeof VARIANTS)[number];

const REPOSITORY = 'drydock-test';
/** On everything that tests make, beside the label by which each test finds its own. */
const LABELS = { 'drydock.test': 'images' };

/** The tag of the image, which is built unless it is there. */
export async function scoringImage(variant: Variant): Promise<string> {
  const place = await openDocker({ env: process.env });
  try {
    const { images } = place;
    if (images === undefined) throw new Error(`${place.label} builds no images`);
    const tag = await ensure(place, images, variant);
    await removeOlder(images, variant, tag);
    return tag;
  } finally {
    await place.close();
  }
}

async function ensure(place: Place, images: Images, variant: Variant): Promise<string> {
  switch (variant) {
    case 'bare':
      return ensureBase(images, { onProgress: () => undefined });
    case 'plain-user':
    case 'plain-root': {
      const tag = `${REPOSITORY}:${variant}-${await digest(['examples/diabetes', 'console/images'])}`;
      if ((await images.inspect(tag)) !== null) return tag;
      const uid = variant === 'plain-user' ? 1000 : 0;
      await buildSample(
        place,
        { dir: SAMPLE, tag, uid, kit: false, labels: LABELS, env: process.env },
        () => undefined,
      );
      return tag;
    }
    case 'user':
    case 'root': {
      const plain = await ensure(place, images, `plain-${variant}`);
      const tag = `${REPOSITORY}:${variant}-${await digest(['examples/diabetes', 'console/images', 'Dockerfile.steps', 'dist/kit/VERSION'])}`;
      if ((await images.inspect(tag)) === null) await bakeKit(images, plain, variant === 'user' ? '1000' : 'root', tag);
      return tag;
    }
  }
}

/** As a user does at the end of a Dockerfile of theirs. */
async function bakeKit(images: Images, from: string, user: string, tag: string): Promise<void> {
  const dockerfile = [
    `FROM ${from}`,
    'USER root',
    'COPY drydock-kit /var/azureml-app/drydock-kit',
    await readFile(join(CHECKOUT, 'Dockerfile.steps'), 'utf8'),
    `USER ${user}`,
  ].join('\n');
  await images.build(
    contextTar([{ from: KIT, to: 'drydock-kit' }], [{ path: 'Dockerfile', mode: 0o644, text: dockerfile }]),
    { dockerfile: 'Dockerfile', tags: [tag], labels: LABELS, onOutput: () => undefined },
  );
}

/** Those of earlier sources; one that a container still uses goes the next time. */
async function removeOlder(images: Images, variant: Variant, newest: string): Promise<void> {
  const older = (await images.tags(REPOSITORY)).filter(
    (tag) => tag.startsWith(`${REPOSITORY}:${variant}-`) && tag !== newest,
  );
  for (const tag of older) await images.remove(tag).catch(() => undefined);
}

async function digest(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const full = join(CHECKOUT, path);
    const names = await readdir(full, { recursive: true }).catch(() => null);
    if (names === null) hash.update(await readFile(full));
    else
      for (const name of names.sort())
        hash.update(`${name}\0`).update(await readFile(join(full, name)).catch(() => ''));
  }
  return hash.digest('hex').slice(0, 12);
}
