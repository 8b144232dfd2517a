/** An edit of a file not touched lately, among 2,000, until it is visible on the other side; beside the least there is. */
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Figure } from './support/figures.ts';
import { startFloor } from './support/floor.ts';
import { APP_ROOT, scene, syncing } from './support/scene.ts';
import { untilVisible } from './support/visible.ts';

const ROUNDS = 60;

export async function edit(): Promise<Figure[]> {
  await using on = await scene(2_000);
  const root = join(on.inside, APP_ROOT);
  const [from, to] = [join(on.dir, '..', 'floor'), join(on.inside, 'tmp', 'floor')];
  for (const folder of [from, to, `${from}-in`, `${to}-in`]) mkdirSync(folder);
  await using _sync = await syncing(on, '--no-reload');
  const [outFloor, inFloor] = [startFloor(from, to), startFloor(`${to}-in`, `${from}-in`)];
  const samples: Record<'floorOut' | 'out' | 'floorIn' | 'in', number[]> = {
    floorOut: [],
    out: [],
    floorIn: [],
    in: [],
  };
  const measure = async (list: number[], source: string, target: string) => {
    const content = `${Math.random()}`.padEnd(1024, 'y');
    let started = 0;
    const seen = await untilVisible(target, content, async () => {
      started = performance.now();
      await writeFile(source, content);
    });
    list.push(seen - started);
  };
  try {
    for (let n = 0; n < ROUNDS; n++) {
      const path = `part${n % 50}/file${n}.txt`;
      const other = `part${n % 50}/file${n + 1_000}.txt`;
      await measure(samples.floorOut, join(from, `f${n}`), join(to, `f${n}`));
      await measure(samples.out, join(on.dir, path), join(root, path));
      await measure(samples.floorIn, join(`${to}-in`, `f${n}`), join(`${from}-in`, `f${n}`));
      await measure(samples.in, join(root, other), join(on.dir, other));
    }
  } finally {
    outFloor.close();
    inFloor.close();
  }
  const target = 'p50 ≤ 5 ×, p95 ≤ 10 × of the floor';
  return [
    {
      title: 'Edit on the host until it is visible in the container, 2,000 files',
      series: [
        { name: 'floor: inotify, copy, fsync, rename', samples: samples.floorOut },
        { name: 'drydock sync', samples: samples.out },
      ],
      target,
    },
    {
      title: 'Edit in the container until it is visible on the host, 2,000 files',
      series: [
        { name: 'floor: inotify, copy, fsync, rename', samples: samples.floorIn },
        { name: 'drydock sync', samples: samples.in },
      ],
      target,
    },
  ];
}
