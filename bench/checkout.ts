/** `git checkout` of a branch that changes many files, until the last is visible in the container. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { APP_ROOT, fileAt, scene, someContent, syncing } from './support/scene.ts';
import { untilAllVisible } from './support/visible.ts';
import { writeFileSync } from 'node:fs';

const ROUNDS = 7;
const SIZES = [100, 300, 1_000];
const FILES = 2_000;

export async function checkout(): Promise<Figure[]> {
  await using on = await scene(FILES);
  const git = (...argv: string[]) =>
    execa('git', ['-c', 'user.name=b', '-c', 'user.email=b@b', ...argv], { cwd: on.dir });
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-qm', 'main');
  for (const size of SIZES) {
    await git('checkout', '-q', '-b', `changes-${size}`, 'main');
    for (let n = 0; n < size; n++) writeFileSync(join(on.dir, fileAt(n, FILES)), someContent());
    await git('commit', '-qam', `${size}`);
  }
  await git('checkout', '-q', 'main');
  // The same repository again, where nobody watches.
  const bare = join(on.dir, '..', 'bare');
  await execa('git', ['clone', '-q', on.dir, bare]);
  await using _sync = await syncing(on, '--no-reload');
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const [floor, durable, sync]: [number[], number[], number[]] = [[], [], []];
    for (let n = 0; n < ROUNDS; n++) {
      for (const branch of [`changes-${size}`, 'main']) {
        floor.push(await timed(() => execa('git', ['checkout', '-q', branch], { cwd: bare })));
        durable.push((floor.at(-1) ?? 0) + (await timed(() => execa('sync', ['-f', '.'], { cwd: bare }))));
        const started = performance.now();
        await git('checkout', '-q', branch);
        const expected = Array.from({ length: size }, (_, at) => {
          const path = fileAt(at, FILES);
          return [join(on.inside, APP_ROOT, path), readFileSync(join(on.dir, path), 'utf8')] as const;
        });
        sync.push((await untilAllVisible(expected)) - started);
      }
    }
    figures.push({
      title: `git checkout that changes ${size} of ${FILES} files`,
      series: [
        { name: 'git checkout itself', samples: floor },
        { name: 'git checkout and sync -f: as durable as ours', samples: durable },
        { name: 'drydock sync, until the last is visible in the container', samples: sync },
      ],
      target: 'p50 ≤ 3 × of the checkout itself',
    });
  }
  return figures;
}
