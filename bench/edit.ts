/** An edit of a file not touched lately, among 2,000, until it is visible on the other side; beside the least there is. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Figure } from './support/figures.ts';
import { startFloor } from './support/floor.ts';
import { APP_ROOT, fileAt, scene, someContent, syncing, type Scene } from './support/scene.ts';
import { untilVisible } from './support/visible.ts';

const ROUNDS = 60;
const FILES = 2_000;

export async function edit(): Promise<Figure[]> {
  await using on = await scene(FILES);
  await using _sync = await syncing(on, '--no-reload');
  return await measureEdits(on, FILES);
}

/** While `on` is being synchronised. */
export async function measureEdits(on: Scene, files: number, how = `${files} files`): Promise<Figure[]> {
  const root = join(on.inside, APP_ROOT);
  const [from, to] = [join(on.dir, '..', 'floor'), join(on.inside, 'tmp', 'floor')];
  for (const folder of [from, to, `${from}-in`, `${to}-in`]) mkdirSync(folder);
  const [outFloor, inFloor] = [startFloor(from, to), startFloor(`${to}-in`, `${from}-in`)];
  const [floorOut, out, floorIn, back]: [number[], number[], number[], number[]] = [[], [], [], []];
  const measure = async (list: number[], source: string, target: string) => {
    const content = someContent();
    let started = 0;
    const seen = await untilVisible(target, content, async () => {
      started = performance.now();
      await writeFile(source, content);
    });
    list.push(seen - started);
  };
  try {
    for (let n = 0; n < ROUNDS; n++) {
      const [path, other] = [fileAt(n, files), fileAt(n + files / 2, files)];
      await measure(floorOut, join(from, `f${n}`), join(to, `f${n}`));
      await measure(out, join(on.dir, path), join(root, path));
      await measure(floorIn, join(`${to}-in`, `f${n}`), join(`${from}-in`, `f${n}`));
      await measure(back, join(root, other), join(on.dir, other));
    }
  } finally {
    outFloor.close();
    inFloor.close();
  }
  const figure = (title: string, floor: number[], sync: number[]): Figure => ({
    title: `${title}, ${how}`,
    series: [
      { name: 'floor: inotify, copy, fsync, rename', samples: floor },
      { name: 'drydock sync', samples: sync },
    ],
    target: 'p50 ≤ 3 ×, p95 ≤ 6 × of the floor',
  });
  return [
    figure('Edit on the host until it is visible in the container', floorOut, out),
    figure('Edit in the container until it is visible on the host', floorIn, back),
  ];
}
