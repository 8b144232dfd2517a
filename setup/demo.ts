/** `npm run demo`: the sample built, running, and the console on it; without a terminal the same story as a script. */
import { DrydockError } from '../shared/core/errors.ts';
import { openDocker } from '../console/place/docker/docker.ts';
import { runImage } from '../console/engine/run.ts';
import type { Images } from '../console/place/place.ts';
import { createCli } from './demo/cli.ts';
import { readOptions, type DemoOptions } from './demo/options.ts';
import { freeName, freshCopy, MARK, removeContainers, removeCommits } from './demo/own.ts';
import { scoreUntil } from './demo/scoring.ts';
import { tellStory, type Scene } from './demo/story.ts';
import { createProgress } from './progress.mjs';
import { buildSample } from './sample.ts';

const NAME = 'debug';
const PORT = 8000;
const progress = createProgress(process.stderr);
const say = (text: string) => void process.stdout.write(`${text}\n`);

const options = readOptions(process.argv.slice(2), process.stdin.isTTY && process.stdout.isTTY);
const place = await openDocker({ env: process.env });
try {
  const { images } = place;
  if (images === undefined) throw new Error(`${place.label} builds no images`);
  process.exitCode = options.stop ? await stop(images) : await demo(images, options);
} catch (error) {
  const hint = error instanceof DrydockError && error.hint !== undefined ? `\n  ${error.hint}` : '';
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}${hint}\n`);
  process.exitCode = 1;
} finally {
  await place.close();
}

async function stop(images: Images): Promise<number> {
  say(`${await removeContainers(place, images)} container(s) of the demo removed.`);
  return 0;
}

async function demo(images: Images, { dir, keep, terminal }: DemoOptions): Promise<number> {
  const started = performance.now();
  const scene = await setUp(images, dir);
  const { name } = scene.container;
  const again = `npm run -s drydock -- attach ${name} --dir ${dir}`;
  if (terminal) {
    const code = await scene.cli.attach('attach', name, '--dir', dir);
    say(`\n${name} still runs: ${scene.scoreUrl}\n  attach again  ${again}\n  stop it       npm run demo -- --stop`);
    return code;
  }
  try {
    await tellStory(scene);
  } finally {
    if (!keep) await removeContainers(place, images);
  }
  say(`The whole story worked, in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  if (keep) say(`${name} runs: ${scene.scoreUrl}\n  attach  ${again}\n  stop    npm run demo -- --stop`);
  return 0;
}

/** The earlier demo's things away, a fresh copy, the image, the container, its first answer. */
async function setUp(images: Images, dir: string): Promise<Scene> {
  await removeContainers(place, images);
  const [name] = await Promise.all([freeName(place, images, NAME), freshCopy(dir)]);
  await removeCommits(images, name);
  if (name !== NAME) say(`The name ${NAME} is taken by something that no demo made: this one is ${name}.`);
  const tag = `${name}:1`;
  const labels = { [MARK]: dir };
  await progress.run(`building the scoring image ${tag}`, (note) =>
    buildSample(place, { dir, tag, uid: 1000, kit: true, labels, env: process.env }, ({ stage, text }) =>
      note(`${stage}: ${text}`),
    ),
  );
  const container = await progress.run(`starting ${name}: the first answer of /score`, async () => {
    const run = await runImage(place, { image: tag, name, port: PORT, labels });
    await scoreUntil(run.scoreUrl, () => true, { place, id: run.id });
    return { name: run.name, id: run.id, scoreUrl: run.scoreUrl };
  });
  const port = Number(new URL(container.scoreUrl).port);
  if (port !== PORT) say(`Port ${PORT} is taken: the service is on ${port}.`);
  return {
    place,
    images,
    cli: createCli(process.env),
    progress,
    dir,
    container,
    scoreUrl: container.scoreUrl,
  };
}
