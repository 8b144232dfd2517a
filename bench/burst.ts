/** Many files written at once on the host until the last is visible in the container, beside plain writes with the same fsyncs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Figure } from './support/figures.ts';
import { plainWrites } from './support/floor.ts';
import { APP_ROOT, fileAt, scene, someContent, syncing } from './support/scene.ts';
import { untilAllVisible } from './support/visible.ts';

const ROUNDS = 7;
const SIZES = [100, 500, 2_000];

export async function burst(): Promise<Figure[]> {
  await using on = await scene(100);
  await using _sync = await syncing(on, '--no-reload');
  const figures: Figure[] = [];
  for (const size of SIZES) figures.push(await burstOf(size, on.dir, on.inside));
  return figures;
}

async function burstOf(size: number, dir: string, inside: string): Promise<Figure> {
  const [floor, sync]: [number[], number[]] = [[], []];
  for (let n = 0; n < ROUNDS; n++) {
    const files = Array.from({ length: size }, (_, index) => [fileAt(index, size), someContent()] as const);
    const below = (folder: string) => files.map(([path, content]) => [join(folder, path), content] as const);
    const bare = performance.now();
    await plainWrites(below(join(inside, 'tmp', `plain-${size}-${n}`)));
    floor.push(performance.now() - bare);
    const started = performance.now();
    for (const [file, content] of below(join(dir, `burst-${size}-${n}`))) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
    sync.push((await untilAllVisible(below(join(inside, APP_ROOT, `burst-${size}-${n}`)))) - started);
  }
  return {
    title: `${size} files at once on the host until the last is visible in the container`,
    series: [
      { name: 'plain writes with the same fsyncs, four at once', samples: floor },
      { name: 'drydock sync', samples: sync },
    ],
    target: 'p50 ≤ 3 × of the plain writes',
  };
}
