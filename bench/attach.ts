/** Attaching to a running container with the installed binary, beside one bare `docker exec … true`. */
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { DRYDOCK, scene } from './support/scene.ts';

const ROUNDS = 9;

export async function attach(): Promise<Figure[]> {
  await using on = await scene();
  const drydock = (...argv: string[]) => execa(process.execPath, [DRYDOCK, ...argv], { env: on.env });
  const [exec, cold, warm]: [number[], number[], number[]] = [[], [], []];
  for (let n = 0; n < ROUNDS; n++) {
    exec.push(await timed(() => execa('docker', ['exec', on.name, 'true'])));
    // The shortest verb that needs the link: a command in the worker's environment.
    cold.push(await timed(() => drydock('shell', on.name, '--', 'true')));
    warm.push(await timed(() => drydock('shell', on.name, '--', 'true')));
    await drydock('detach', on.name);
  }
  return [
    {
      title: 'Attach to a running container',
      series: [
        { name: 'docker exec … true', samples: exec },
        { name: 'drydock, kit not there', samples: cold },
        { name: 'drydock, agent running', samples: warm },
      ],
      target: 'cold ≤ 12 ×, warm ≤ 5 × of the bare exec',
    },
  ];
}
