/** Many files written at once on the host until the last is visible in the container, beside plain writes with the same fsyncs, and others. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Figure } from './support/figures.ts';
import { plainWrites } from './support/floor.ts';
import { watchingRivals, type Rival } from './support/rivals.ts';
import { APP_ROOT, fileAt, scene, someContent, syncing, writeFiles } from './support/scene.ts';
import { untilAllVisible } from './support/visible.ts';

const ROUNDS = 7;
/** Of the others, which take seconds for each. */
const RIVAL_ROUNDS = 2;
const SIZES = [100, 500, 2_000];
const FILES = 100;

export async function burst(): Promise<Figure[]> {
  await using on = await scene(FILES);
  await using stack = new AsyncDisposableStack();
  stack.use(await syncing(on, '--no-reload'));
  const us = { name: 'drydock sync', from: on.dir, to: join(on.inside, APP_ROOT) };
  const rivals = await watchingRivals(stack, (dir) => writeFiles(dir, FILES), fileAt(FILES - 1, FILES));
  const figures: Figure[] = [];
  for (const size of SIZES) figures.push(await burstOf(size, join(on.inside, 'tmp'), us, rivals));
  return figures;
}

async function burstOf(size: number, bareDir: string, us: Rival, rivals: readonly Rival[]): Promise<Figure> {
  const floor: number[] = [];
  const samples = new Map([us, ...rivals].map(({ name }) => [name, [] as number[]]));
  for (let n = 0; n < ROUNDS; n++) {
    const files = Array.from({ length: size }, (_, index) => [fileAt(index, size), someContent()] as const);
    const below = (folder: string) => files.map(([path, content]) => [join(folder, path), content] as const);
    const bare = performance.now();
    await plainWrites(below(join(bareDir, `plain-${size}-${n}`)));
    floor.push(performance.now() - bare);
    for (const { name, from, to } of n < RIVAL_ROUNDS ? [us, ...rivals] : [us]) {
      const started = performance.now();
      for (const [file, content] of below(join(from, `burst-${size}-${n}`))) {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content);
      }
      samples.get(name)?.push((await untilAllVisible(below(join(to, `burst-${size}-${n}`)))) - started);
    }
  }
  return {
    title: `${size} files at once on the host until the last is visible in the container`,
    series: [
      { name: 'plain writes with the same fsyncs, four at once', samples: floor },
      ...Array.from(samples, ([name, of]) => ({ name, samples: of })),
    ],
    target: 'p50 ≤ 3 × of the plain writes; the others work between two folders of this machine',
  };
}
