/** What an earlier demo left and this one may replace: proven by its marks, never by a name alone. */
import { access, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Images, Place } from '../../console/place/place.ts';
import { SAMPLE } from '../sample.ts';

/** Label of the demo's containers and images. */
export const MARK = 'drydock.demo';
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
export async function removeContainers(place: Place): Promise<number> {
  const own = (await place.list()).filter(({ labels }) => labels[MARK] !== undefined);
  for (const { id } of own) await place.remove?.(id);
  return own.length;
}

/** A name that no other's container has, and under which no other's image stands. */
export async function freeName(place: Place, images: Images, wanted: string): Promise<string> {
  const taken = new Set((await place.list()).map(({ name }) => name));
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    if (taken.has(name)) continue;
    const tags = await Promise.all((await images.tags(name)).map((tag) => images.inspect(tag)));
    if (tags.every((image) => image === null || image.labels[MARK] !== undefined)) return name;
  }
}

/** Takes the images of earlier demos under this name away, so that the story's numbers are right again. */
export async function removeImages(images: Images, name: string): Promise<void> {
  const tags = await images.tags(name);
  // Newest first: an image goes before the one that it was made from.
  for (const tag of tags.toReversed()) await images.remove(tag);
}

/** The first port of 127.0.0.1, from the wanted one on, on which nobody listens. */
export async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; ; port++) if (await canListen(port)) return port;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
