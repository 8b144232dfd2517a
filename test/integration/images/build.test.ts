import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, type BuildImageOptions } from '../../../console/images/build.ts';
import { ensurePackages } from '../../../console/images/packages.ts';
import type { Target } from '../../../console/place/place.ts';
import { engine, withContainer, withRepository, type TestEngine } from '../../support/engine.ts';
import { scoringImage } from '../../support/images.ts';
import { until } from '../../support/live.ts';

const PART = 'build';
let dir: string;
let docker: TestEngine;
let bare: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-build-'));
  await writeFile(join(dir, 'score.py'), 'def init(): pass\ndef run(data): return data\n');
  docker = await engine();
  bare = await scoringImage('bare');
});
afterAll(async () => {
  await docker[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const project = (tag: string, over: Partial<BuildImageOptions> = {}): BuildImageOptions => ({
  dir,
  entry: 'score.py',
  packages: null,
  models: [],
  dependencies: [],
  steps: [],
  uid: 1000,
  tag,
  base: bare,
  labels: { 'drydock.test': PART },
  downloads: { certificates: null, env: {} },
  ...over,
});
const build = (options: BuildImageOptions) => buildImage(docker.place, options, () => undefined);

async function run(target: Target, ...argv: string[]): Promise<string> {
  const child = await target.spawn(argv, {});
  const [out, err] = await Promise.all([text(child.stdio), text(child.stderr)]);
  await child.exit;
  return out + err;
}

describe('buildImage', () => {
  it('lays project, model and services out as Azure does, for a user without privileges', async () => {
    await using repository = withRepository(docker, PART);
    await writeFile(join(dir, 'model.pkl'), 'weights');
    const { tag } = await build(
      project(`${repository.name}:1`, {
        models: [{ name: 'diabetes', version: 3, path: join(dir, 'model.pkl') }],
        steps: [{ name: 'Dockerfile.steps', text: 'ENV FROM_STEPS=yes\nRUN echo made by a step > made.txt\n' }],
      }),
    );
    await using container = await withContainer(docker, { part: PART, image: tag, config: { Cmd: ['sleep', '600'] } });
    const { env, user, exposed } = await container.target.facts();
    expect(env).toMatchObject({
      AML_APP_ROOT: '/var/azureml-app',
      AZUREML_ENTRY_SCRIPT: 'main.py',
      AZUREML_MODEL_DIR: '/var/azureml-app/azureml-models/diabetes/3',
      SVDIR: '/var/runit',
      FROM_STEPS: 'yes',
    });
    expect(user).toBe('1000');
    expect(exposed).toEqual(expect.arrayContaining([5001, 8883, 8888]));
    const app = await run(container.target, 'find', '/var/azureml-app', '-type', 'f', '-printf', '%P %U\n');
    expect(app.trim().split('\n').sort()).toEqual(
      ['azureml-models/diabetes/3/model.pkl', 'main.py', 'made.txt', 'model.pkl', 'model_config_map.json', 'score.py']
        .map((path) => `${path} 1000`)
        .sort(),
    );
  });

  it('explains a step that fails: which, on which line, its last words, the mend', async () => {
    await using repository = withRepository(docker, PART);
    const steps = [{ name: 'Dockerfile.steps', text: '# a typo\nRUN true\nRUN apt-gt install vim\n' }];
    await expect(build(project(`${repository.name}:1`, { steps }))).rejects.toMatchObject({
      code: 'not-well',
      message: expect.stringMatching(
        /RUN apt-gt install vim \(Dockerfile\.steps:3\)[\s\S]*apt-gt: not found/,
      ) as string,
      hint: expect.stringContaining('no apt-gt') as string,
    });
  });

  it('explains packages that cannot be installed', async () => {
    await using repository = withRepository(docker, PART);
    const packages = { kind: 'pip', text: './missing-1.0-py3-none-any.whl\n' } as const;
    await expect(build(project(`${repository.name}:1`, { packages }))).rejects.toMatchObject({
      code: 'not-well',
      message: expect.stringContaining('missing-1.0') as string,
    });
  });

  it('makes the same packages once, also for two builds at the same time', async () => {
    await using repository = withRepository(docker, PART);
    const { place } = docker;
    const { images } = place;
    if (images === undefined) throw new Error(`${place.label} builds no images`);
    const downloads = { certificates: null, env: {} };
    const spec = { base: bare, kind: 'pip', text: `# for ${repository.name}\n`, downloads } as const;
    const both = [1, 2].map(() => ensurePackages(place, images, spec, () => undefined));
    const [one, other] = await Promise.all(both);
    expect(other).toBe(one);
    await execa('docker', ['rmi', one ?? '']);
  });

  it('says that a base without conda has none', async () => {
    await using repository = withRepository(docker, PART);
    const packages = { kind: 'conda', text: 'dependencies: [python=3.11]\n' } as const;
    await expect(build(project(`${repository.name}:1`, { packages }))).rejects.toMatchObject({
      code: 'usage',
      message: `--conda needs conda, and ${bare} has none.`,
    });
  });

  it('moves its own tag, never one of another project', async () => {
    await using repository = withRepository(docker, PART);
    const tag = `${repository.name}:1`;
    const other = await mkdtemp(join(tmpdir(), 'drydock-other-'));
    await writeFile(join(other, 'score.py'), '');
    const first = await build(project(tag));
    await writeFile(join(dir, 'more.py'), '');
    const second = await build(project(tag));
    expect(second.id).not.toBe(first.id);
    await expect(build(project(tag, { dir: other }))).rejects.toMatchObject({
      code: 'taken',
      hint: expect.stringContaining(`${repository.name}:2`) as string,
    });
    await rm(other, { recursive: true });
    await docker.images.remove(first.id);
  });
});

describe('the sample', () => {
  it('holds nothing of this machine: no certificate, no setting of pip', async () => {
    await using container = await withContainer(docker, { part: PART, image: await scoringImage('plain-user') });
    const found = await run(container.target, 'find', '/dev/shm', '/mnt', '/tmp', '-mindepth', '1');
    expect(found).toBe('');
    expect(Object.keys((await container.target.facts()).env)).not.toContain('PIP_CERT');
  });

  it('ends its container when the service ends abnormally, and says so', async () => {
    await using container = await withContainer(docker, { part: PART, image: await scoringImage('plain-user') });
    await until('the service runs', async () =>
      (await run(container.target, 'sv', 'status', 'gunicorn')).startsWith('run'),
    );
    await run(container.target, 'sv', 'kill', 'gunicorn');
    const logs = async () => {
      let all = '';
      for await (const { data } of container.target.logs({ follow: false, signal: AbortSignal.timeout(60_000) })) {
        all += Buffer.from(data).toString();
      }
      return all;
    };
    await until('the container has ended', async () => {
      const found = (await docker.place.list()).find(({ id }) => id === container.id);
      return found?.state === 'exited';
    });
    expect(await logs()).toMatch(/Exit code -?\d+ is not normal\. Killing image\./);
  });

  it('keeps serving when its agent is killed, and runit brings the agent back', async () => {
    await using container = await withContainer(docker, { part: PART, image: await scoringImage('user') });
    const pid = async () => /\(pid (\d+)\)/.exec(await run(container.target, 'sv', 'status', 'drydock'))?.[1];
    await until('the agent runs', async () => (await pid()) !== undefined);
    const before = await pid();
    await run(container.target, 'sv', 'kill', 'drydock');
    await until('another agent runs', async () => {
      const now = await pid();
      return now !== undefined && now !== before;
    });
    const found = (await docker.place.list()).find(({ id }) => id === container.id);
    expect(found?.state).toBe('running');
  });
});
