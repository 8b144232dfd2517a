/**
 * A save until the first new answer of /score: by a candidate worker, and by a trial and HUP where the hook is not wanted;
 * beside what people do otherwise, each in a container of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { median, timed, type Figure } from './support/figures.ts';
import {
  APP_ROOT,
  DRYDOCK,
  insideOf,
  LABEL,
  scene,
  scoreUrlOf,
  syncing,
  untilAnswer,
  type Scene,
} from './support/scene.ts';
import { scoringImage } from '../test/support/images.ts';

const ROUNDS = 9;
/** gunicorn's own reload; without the extra file it never sees score.py, which no module of the master imports. */
const RELOAD = `--reload --reload-engine poll --reload-extra-file ${APP_ROOT}/score.py`;

export async function answer(): Promise<Figure[]> {
  return [await byCandidate(), await byTrial()];
}

async function byCandidate(): Promise<Figure> {
  await using ours = await scene();
  await using hup = await scene();
  await using restarted = await scene();
  await using reloading = await scene(0, ['-e', `GUNICORN_CMD_ARGS=${RELOAD}`]);
  await using _sync = await syncing(ours);
  const source = readFileSync(join(ours.dir, 'score.py'), 'utf8');
  // The first reload is cold: the master imports the service's packages after it.
  await first(ours, mark(source, 'cold'), 'cold');
  await untilWarm(ours, source);
  const [bare, drydock, restart, recreate, reload]: number[][] = [[], [], [], [], []];
  for (let n = 0; n < ROUNDS; n++) {
    const word = `round-${n}`;
    const code = mark(source, word);
    save(hup, code);
    const told = performance.now();
    await execa('docker', ['exec', hup.name, 'sv', 'hup', 'gunicorn']);
    bare?.push((await untilAnswer(hup.scoreUrl, has(word))) - told);
    drydock?.push(await first(ours, code, word));
    save({ inside: await insideOf(restarted.name) }, code);
    restart?.push(
      await timed(async () => {
        await execa('docker', ['restart', '-t', '1', restarted.name]);
        await untilAnswer(await scoreUrlOf(restarted.name), has(word));
      }),
    );
    reload?.push(
      await timed(async () => {
        save(reloading, code);
        await untilAnswer(reloading.scoreUrl, has(word));
      }),
    );
    if (n < 3) recreate?.push(await recreated(ours.dir, code, word));
  }
  const { stdout } = await execa(process.execPath, [DRYDOCK, 'reload', ours.name, '--json'], { env: ours.env });
  const stages = (JSON.parse(stdout) as { stages: { name: string; ms: number }[] }).stages;
  const own = stages.filter(({ name }) => name === 'init' || name === 'gate').reduce((sum, { ms }) => sum + ms, 0);
  const allowed = 0.15 * median(bare ?? []) + own;
  return {
    title: 'Save until the first new answer of /score, by a candidate worker',
    series: [
      { name: 'bare sv hup', samples: bare ?? [] },
      { name: 'drydock: save on the host', samples: drydock ?? [] },
      { name: 'gunicorn --reload', samples: reload ?? [] },
      { name: 'docker restart', samples: restart ?? [] },
      { name: 'new container from the image', samples: recreate ?? [] },
    ],
    target: `p50 ≤ 0.15 × of the bare HUP + init() + the gate = ${allowed.toFixed(0)} ms, p95 ≤ 0.3 ×`,
  };
}

async function byTrial(): Promise<Figure> {
  await using ours = await scene();
  await using bare = await scene();
  await using _sync = await syncing(ours, '--no-hook');
  const source = readFileSync(join(ours.dir, 'score.py'), 'utf8');
  const floor: number[] = [];
  const drydock: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const word = `round-${n}`;
    const boot = await timed(() =>
      execa(
        'docker',
        ['exec', '-w', APP_ROOT, bare.name, 'python3', '-c', 'import azureml_inference_server_http.server.entry'],
        { reject: false },
      ),
    );
    save(bare, mark(source, word));
    const told = performance.now();
    await execa('docker', ['exec', bare.name, 'sv', 'hup', 'gunicorn']);
    floor.push(boot + (await untilAnswer(bare.scoreUrl, has(word))) - told);
    drydock.push(await first(ours, mark(source, word), word));
  }
  return {
    title: 'Save until the first new answer of /score, without the hook',
    series: [
      { name: 'bare boot + bare sv hup', samples: floor },
      { name: 'drydock --no-hook: save on the host', samples: drydock },
    ],
    target: '≤ 1.25 × of a bare boot and a bare HUP',
  };
}

const mark = (source: string, word: string): string => source.replace(/return .*$/m, `return {'mark': '${word}'}`);
const has = (word: string) => (body: string) => body.includes(word);

/** Straight into the rival's folder: nothing of a transfer counts. */
function save({ inside }: Pick<Scene, 'inside'>, code: string): void {
  writeFileSync(join(inside, APP_ROOT, 'score.py'), code);
}

/** Milliseconds from a save on the host. */
async function first(ours: Scene, code: string, word: string): Promise<number> {
  const saved = performance.now();
  writeFileSync(join(ours.dir, 'score.py'), code);
  return (await untilAnswer(ours.scoreUrl, has(word))) - saved;
}

/** Until a reload is many times faster than the first: nothing tells from outside that the master is warm. */
async function untilWarm(ours: Scene, source: string): Promise<void> {
  const cold = await first(ours, mark(source, 'warm-0'), 'warm-0');
  for (let n = 1; n < 60; n++) {
    const word = `warm-${n}`;
    if ((await first(ours, mark(source, word), word)) < cold / 4) return;
    await new Promise((next) => setTimeout(next, 500));
  }
}

/** As azureml-core's local `reload()` does it: another container from the same image, the new code put into it. */
async function recreated(dir: string, code: string, word: string): Promise<number> {
  const file = join(dir, '..', 'recreated.py');
  writeFileSync(file, code);
  const name = `drydock-bench-${process.pid}-recreated`;
  const image = await scoringImage('plain-user');
  try {
    return await timed(async () => {
      await execa('docker', ['create', '--name', name, '--label', LABEL, '-p', '127.0.0.1::5001', image]);
      await execa('docker', ['cp', file, `${name}:${APP_ROOT}/score.py`]);
      await execa('docker', ['start', name]);
      await untilAnswer(await scoreUrlOf(name), has(word));
    });
  } finally {
    await execa('docker', ['rm', '-f', '-v', name], { reject: false });
  }
}
