/** The first sync of a folder into a container that has none of its files, beside `tar | docker exec -i tar x`. */
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { DRYDOCK, scene } from './support/scene.ts';

const ROUNDS = 5;
const SIZES = [1_000, 5_000, 10_000];

export async function first(): Promise<Figure[]> {
  // Kept until the end: a file system that has just freed thousands of files is several times slower for a while.
  await using kept = new AsyncDisposableStack();
  const figures: Figure[] = [];
  for (const size of SIZES) figures.push(await firstOf(size, kept));
  return figures;
}

async function firstOf(size: number, kept: AsyncDisposableStack): Promise<Figure> {
  const samples: Record<'tar' | 'durable' | 'cp' | 'attach' | 'whole', number[]> = {
    tar: [],
    durable: [],
    cp: [],
    attach: [],
    whole: [],
  };
  for (let n = 0; n < ROUNDS; n++) {
    const on = kept.use(await scene(size));
    const tar = async (into: string, then: string) => {
      await execa('docker', ['exec', on.name, 'mkdir', into]);
      const unpack = `tar x -C ${into}${then}`;
      return timed(() => execa('sh', ['-c', `tar c -C ${on.dir} . | docker exec -i ${on.name} sh -c '${unpack}'`]));
    };
    samples.durable.push(await tar('/tmp/durable', ' && sync -f /tmp/durable'));
    samples.tar.push(await tar('/tmp/tar', ''));
    samples.cp.push(await timed(() => execa('docker', ['cp', on.dir, `${on.name}:/tmp/cp`])));
    const drydock = (...argv: string[]) => timed(() => execa(process.execPath, [DRYDOCK, ...argv], { env: on.env }));
    // What bringing the agent in costs is a figure of its own.
    await drydock('shell', on.name, '--', 'true');
    samples.attach.push(await drydock('shell', on.name, '--', 'true'));
    samples.whole.push(
      await drydock('sync', on.name, '--once', '--no-reload', '--dir', on.dir, '--prefer', 'host', '--json'),
    );
  }
  return {
    title: `First sync of ${size} files of 1 KB`,
    series: [
      { name: 'tar, docker exec -i tar x, sync -f', samples: samples.durable },
      { name: 'tar, docker exec -i tar x, nothing synced', samples: samples.tar },
      { name: 'docker cp', samples: samples.cp },
      { name: 'drydock sync --once, the whole program', samples: samples.whole },
      { name: 'drydock shell -- true: of it, attaching and detaching', samples: samples.attach },
    ],
    target: 'p50 ≤ 1.5 × of tar',
  };
}
