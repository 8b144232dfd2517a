/** A commit with the installed binary, beside a bare `docker commit` of a like container. */
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { DRYDOCK, scene } from './support/scene.ts';

const ROUNDS = 9;

export async function commit(): Promise<Figure[]> {
  await using ours = await scene();
  await using bare = await scene();
  const drydock = (...argv: string[]) => execa(process.execPath, [DRYDOCK, ...argv], { env: ours.env });
  await drydock('shell', ours.name, '--', 'true');
  const [floor, own, whole]: [number[], number[], number[]] = [[], [], []];
  for (let n = 0; n < ROUNDS; n++) {
    const tag = `drydock-bench-bare:${n}`;
    floor.push(await timed(() => execa('docker', ['commit', bare.name, tag])));
    await execa('docker', ['rmi', tag]);
    let result = { tag: '', ms: 0 };
    whole.push(
      await timed(async () => {
        const { stdout } = await drydock('commit', ours.name, '--json');
        result = JSON.parse(stdout) as typeof result;
      }),
    );
    own.push(result.ms);
    await execa('docker', ['rmi', result.tag]);
  }
  return [
    {
      title: 'Commit',
      series: [
        { name: 'docker commit', samples: floor },
        { name: 'drydock commit, from the key to the image', samples: own },
        { name: 'drydock commit, the whole program', samples: whole },
      ],
      target: 'from the key to the image within 10 % of the bare commit',
    },
  ];
}
