/** `git checkout` of a branch that changes many files, until the last is visible in the container, beside others. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { watchingRivals, type Rival } from './support/rivals.ts';
import { APP_ROOT, fileAt, scene, someContent, syncing } from './support/scene.ts';
import { untilAllVisible } from './support/visible.ts';

const ROUNDS = 7;
/** Of the others, which take seconds for each. */
const RIVAL_ROUNDS = 1;
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
  await using stack = new AsyncDisposableStack();
  stack.use(await syncing(on, '--no-reload'));
  const us: Tree = { name: 'drydock sync', from: on.dir, to: join(on.inside, APP_ROOT), git };
  /** What git keeps lies beside the others' folders, since they would carry that over as well. */
  const gits = new Map<string, Tree['git']>();
  const fill = async (dir: string) => {
    const own = join(mkdtempSync(join(on.dir, '..', 'git-')), 'repository');
    await execa('git', ['clone', '-q', '--bare', on.dir, own]);
    gits.set(dir, (...argv) => execa('git', ['--git-dir', own, '--work-tree', dir, ...argv], { cwd: dir }));
    await gits.get(dir)?.('checkout', '-q', '-f', 'main');
  };
  const rivals = (await watchingRivals(stack, fill, fileAt(FILES - 1, FILES))).map((rival): Tree => ({
    ...rival,
    git: gits.get(rival.from) ?? git,
  }));
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const [floor, durable]: [number[], number[]] = [[], []];
    const samples = new Map([us, ...rivals].map(({ name }) => [name, [] as number[]]));
    for (let n = 0; n < ROUNDS; n++) {
      for (const branch of [`changes-${size}`, 'main']) {
        floor.push(await timed(() => execa('git', ['checkout', '-q', branch], { cwd: bare })));
        durable.push((floor.at(-1) ?? 0) + (await timed(() => execa('sync', ['-f', '.'], { cwd: bare }))));
        for (const tree of n < RIVAL_ROUNDS ? [us, ...rivals] : [us]) {
          samples.get(tree.name)?.push(await timed(() => checkedOut(tree, branch, size)));
        }
      }
    }
    figures.push({
      title: `git checkout that changes ${size} of ${FILES} files, until the last is visible on the other side`,
      series: [
        { name: 'git checkout itself', samples: floor },
        { name: 'git checkout and sync -f: as durable as ours', samples: durable },
        ...Array.from(samples, ([name, of]) => ({ name, samples: of })),
      ],
      target: 'p50 ≤ 3 × of the checkout itself; the others work between two folders of this machine',
    });
  }
  return figures;
}

/** A folder that holds the files, and the git that changes them. */
interface Tree extends Rival {
  readonly git: (...argv: string[]) => PromiseLike<unknown>;
}

async function checkedOut({ from, to, git }: Tree, branch: string, size: number): Promise<void> {
  await git('checkout', '-q', branch);
  const paths = Array.from({ length: size }, (_, at) => fileAt(at, FILES));
  await untilAllVisible(paths.map((path) => [join(to, path), readFileSync(join(from, path), 'utf8')] as const));
}
