/** The main job as a script: each step is done by `drydock` and seen from outside, by HTTP, on disk, at the engine. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { runImage } from '../../console/engine/run.ts';
import type { Images, Place } from '../../console/place/place.ts';
import type { Progress } from '../progress.mjs';
import type { Cli, Said } from './cli.ts';
import { MARK } from './own.ts';
import { score, scoreUntil } from './scoring.ts';

export interface Scene {
  readonly place: Place;
  readonly images: Images;
  readonly cli: Cli;
  readonly progress: Progress;
  readonly dir: string;
  readonly container: { readonly name: string; readonly id: string };
  readonly scoreUrl: string;
}

/** Rejects at the first step that was not seen to work. */
export async function tellStory(scene: Scene): Promise<void> {
  const { cli, progress, dir, container, scoreUrl } = scene;
  const script = join(dir, 'score.py');
  const original = await readFile(script, 'utf8');
  const here = { place: scene.place, id: container.id };
  const name = container.name;
  const first = await score(scoreUrl);
  const sync = cli.sync(name, '--dir', dir);
  try {
    await progress.run(`attach: ${dir} ⇄ ${name}`, async () => {
      await sync.wait('it was ready', ({ event }) => event === 'ready');
    });

    const shifted = original.replace(
      'return model.predict(rows).tolist()',
      'return (model.predict(rows) + 1000).tolist()',
    );
    mustDiffer(original, shifted);
    let edited = '';
    await progress.run('edit score.py on this machine: /score answers with the new code', async () => {
      await save(script, shifted);
      edited = await scoreUntil(scoreUrl, (body) => body !== first, here);
      expectShift(first, edited, 1000);
    });

    await progress.run('break score.py: the old code goes on, and the traceback says why', async () => {
      sync.forget();
      await save(script, shifted.replace('    model = joblib', "    np.seterr(all='raise')\n    model = joblib"));
      const failed = await sync.wait('the reload failed', ({ event, ok }) => event === 'reloaded' && ok === false);
      if (!String(failed['error']).includes('NameError')) throw new Error(`no NameError in ${JSON.stringify(failed)}`);
      if ((await score(scoreUrl)) !== edited) throw new Error('/score no longer answers with the last good code');
    });

    const mended = shifted.replace('+ 1000', '+ 2000');
    let final = '';
    await progress.run('mend score.py: the new code serves', async () => {
      await save(script, mended);
      final = await scoreUntil(scoreUrl, (body) => body !== edited, here);
      expectShift(first, final, 2000);
    });

    await progress.run('a shell in the container: the service’s own Python', async () => {
      const said = mustSucceed(
        await cli.run(
          'shell',
          name,
          '--',
          'python3',
          '-c',
          'import azureml_inference_server_http, os; print(os.getcwd())',
        ),
      );
      if (said.stdout.trim() !== '/var/azureml-app') throw new Error(`the shell starts in ${said.stdout.trim()}`);
    });

    await progress.run('edit a file in the container: the change is in the folder here', async () => {
      const line = '# edited in the container';
      mustSucceed(await cli.run('shell', name, '--', 'sh', '-c', `echo '${line}' >> helpers/clean.py`));
      await fileUntil(join(dir, 'helpers', 'clean.py'), (text) => text.includes(line));
    });

    await progress.run('probe: where Model.get_model_path finds the model', async () => {
      const said = mustSucceed(await cli.run('probe', name, 'model-path', '--name', 'diabetes', '--json'));
      if (!said.stdout.includes('azureml-models/diabetes/1')) throw new Error(said.stdout);
    });

    let tag = '';
    await progress.run('commit: the container as it is now becomes an image', async () => {
      const said = mustSucceed(await cli.run('commit', name, '--json'));
      tag = stringField(said.stdout, 'tag');
      const image = await scene.images.inspect(tag);
      if (image === null) throw new Error(`there is no image ${tag}`);
      if (!JSON.stringify(image.labels).includes(`${name}:1`)) {
        throw new Error(`the labels of ${tag} do not say what it came from: ${JSON.stringify(image.labels)}`);
      }
    });

    await progress.run(`a container from ${tag} serves the edited code`, async () => {
      const next = await runImage(scene.place, { image: tag, name, labels: { [MARK]: dir } });
      try {
        await scoreUntil(next.scoreUrl, (body) => body === final, { place: scene.place, id: next.id });
      } finally {
        await scene.images.removeContainer(next.id);
      }
    });
  } finally {
    await sync.stop();
  }
}

/** As most editors do it. */
async function save(file: string, text: string): Promise<void> {
  await writeFile(`${file}~`, text);
  await rename(`${file}~`, file);
}

async function fileUntil(file: string, fits: (text: string) => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!fits(await readFile(file, 'utf8'))) {
    if (performance.now() > deadline) throw new Error(`${file} did not change`);
    await wait(5);
  }
}

function mustDiffer(before: string, after: string): void {
  if (before === after) throw new Error('the sample’s score.py is not the one that this demo edits');
}

/** Each prediction must have grown by exactly what the edit adds. */
function expectShift(before: string, after: string, by: number): void {
  const [old, now] = [before, after].map((body): unknown => JSON.parse(body));
  const fits =
    Array.isArray(old) &&
    Array.isArray(now) &&
    old.length === now.length &&
    old.every((value: unknown, row) => Math.abs(Number(now[row]) - Number(value) - by) < 1e-6);
  if (!fits) throw new Error(`expected ${before} + ${by}, got ${after}`);
}

function mustSucceed(said: Said): Said {
  if (said.exitCode !== 0) throw new Error(`exit code ${said.exitCode}: ${said.stderr.trim() || said.stdout.trim()}`);
  return said;
}

function stringField(line: string, field: string): string {
  const value: unknown = JSON.parse(line);
  const found =
    typeof value === 'object' && value !== null ? new Map<string, unknown>(Object.entries(value)).get(field) : null;
  if (typeof found !== 'string') throw new Error(`no ${field} in ${line}`);
  return found;
}
