/** What an earlier demo left and this one may replace: proven by its marks, never by a name alone. */
import { access, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Images, Place } from '../../console/place/place.ts';
import { SAMPLE } from '../sample.ts';

/** Label of the demo's containers and images. */
export const MARK = 'io.drydock.demo';
/** Label of a commit: the ID of the image that its container ran. */
const PARENT = 'io.drydock.parent';
/** Beside the copy of the sample, not in it: what is in it travels. */
const FOLDER_MARK = '.made-by-drydock-demo';

/** A fresh copy of the sample. Rejects with `taken` when a folder lies there that no demo made. */
export async function freshCopy(dir: string): Promise<void> {
  const mark = join(dirname(dir), FOLDER_MARK);
  if ((await exists(dir)) && !(await exists(mark))) {
    throw new DrydockError('taken', `${dir} is there already, and no demo made it.`, {
      hint: 'Move it away, and start the demo again.',
    });
  }
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await writeFile(mark, 'The folders beside this file belong to `npm run demo`, which replaces them.\n');
  await cp(SAMPLE, dir, { recursive: true, filter: (path) => !path.endsWith('__pycache__') });
}

/** Removes the containers of earlier demos. */
export async function removeContainers(place: Place, images: Images): Promise<number> {
  const own = (await place.list()).filter(({ labels }) => labels[MARK] !== undefined);
  for (const { id } of own) await images.removeContainer(id);
  return own.length;
}

/** A name that no other's container has, and under which no other's image stands. */
export async function freeName(place: Place, images: Images, wanted: string): Promise<string> {
  const taken = new Set((await place.list()).map(({ name }) => name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    if (taken.has(name)) continue;
    const own = await Promise.all((await images.tags(name)).map((tag) => isOwn(images, tag)));
    if (own.every(Boolean)) return name;
  }
}

/** Takes the commits of earlier demos away, so that the story's numbers are right again; NAME:1 is the build's cache. */
export async function removeCommits(images: Images, name: string): Promise<void> {
  for (const tag of await images.tags(name)) if (tag !== `${name}:1`) await images.remove(tag);
}

/** Marked, or committed from a container of such an image. */
async function isOwn(images: Images, ref: string): Promise<boolean> {
  const image = await images.inspect(ref);
  if (image === null) return false;
  const parent = image.labels[PARENT];
  return image.labels[MARK] !== undefined || (parent !== undefined && isOwn(images, parent));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
