/** A save until the first new answer of /score, beside a bare boot of the script and a bare `sv hup` of the service. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { timed, type Figure } from './support/figures.ts';
import { APP_ROOT, scene, syncing, untilAnswer } from './support/scene.ts';

const ROUNDS = 7;

export async function answer(): Promise<Figure[]> {
  await using ours = await scene();
  await using bare = await scene();
  await using _sync = await syncing(ours);
  const source = readFileSync(join(ours.dir, 'score.py'), 'utf8');
  const saying = (mark: string) => source.replace(/return .*$/m, `return {'mark': '${mark}'}`);
  const floor: number[] = [];
  const drydock: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const mark = `round-${n}`;
    const boot = await timed(() =>
      execa(
        'docker',
        ['exec', '-w', APP_ROOT, bare.name, 'python3', '-c', 'import azureml_inference_server_http.server.entry'],
        {
          reject: false,
        },
      ),
    );
    // The service of the bare rival is written straight into its folder: nothing of a transfer counts.
    writeFileSync(join(bare.inside, APP_ROOT, 'score.py'), saying(mark));
    const started = performance.now();
    await execa('docker', ['exec', bare.name, 'sv', 'hup', 'gunicorn']);
    floor.push(boot + (await untilAnswer(bare.scoreUrl, (body) => body.includes(mark))) - started);

    const saved = performance.now();
    writeFileSync(join(ours.dir, 'score.py'), saying(mark));
    drydock.push((await untilAnswer(ours.scoreUrl, (body) => body.includes(mark))) - saved);
  }
  return [
    {
      title: 'Save until the first new answer of /score',
      series: [
        { name: 'bare boot + bare sv hup', samples: floor },
        { name: 'drydock: save on the host', samples: drydock },
      ],
      target: '≤ 1.25 × of a bare boot and a bare HUP',
    },
  ];
}
