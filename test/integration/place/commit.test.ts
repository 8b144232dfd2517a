import { chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Connection } from '../../../console/place/docker/connection.ts';
import { findAddress } from '../../../console/place/docker/address.ts';
import { flatten } from '../../../console/place/docker/recast.ts';
import { commitContainer, commitPreview, type CommitHooks } from '../../../console/engine/commit.ts';
import type { CommitOptions, Target } from '../../../console/place/place.ts';
import {
  engine,
  uniqueName,
  withContainer,
  withRepository,
  type TestContainer,
  type TestEngine,
} from '../../support/engine.ts';

const ROOT = '/var/azureml-app';
const part = 'commit';

let real: TestEngine;
let dir: string;
beforeAll(async () => {
  real = await engine();
  dir = await mkdtemp(join(tmpdir(), 'drydock-commit-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await real[Symbol.asyncDispose]();
});

describe('the engine’s commit', () => {
  it('has the labels asked for and no other, variables set back, and the source image’s command, user and ports', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await withContainer(real, {
      part,
      image: source,
      env: { RUN: '', ADDED: 'by docker run', PYTHONPATH: '/opt/drydock/hook:/own' },
      labels: { 'azureml-local-endpoint': '', 'com.docker.compose.project': 'p', own: 'changed' },
      config: {
        Cmd: ['sleep', '1000'],
        Entrypoint: [],
        User: 'dockeruser',
        WorkingDir: '/tmp',
        ExposedPorts: { '9999/tcp': {} },
      },
    });
    const before = await real.docker.getImage(source).inspect();
    await output(container.target, ['touch', `${ROOT}/new`]);
    await commit(container.target, {
      tag: `${name}:2`,
      labels: { own: 'kept', made: 'here' },
      env: { PYTHONPATH: '/own' },
    });
    const after = await real.docker.getImage(`${name}:2`).inspect();
    expect({ ...after.Config, Image: '', Env: null }).toEqual({
      ...before.Config,
      Image: '',
      Env: null,
      Labels: { own: 'kept', made: 'here' },
    });
    expect(after.Config.Env.toSorted()).toEqual(
      ['ADDED=by docker run', 'PATH=/bin', 'PYTHONPATH=/own', 'RUN=', 'SCORER=1'].toSorted(),
    );
    expect(after.RootFS.Layers?.slice(0, -1)).toEqual(before.RootFS.Layers);
    expect(after.Comment).toBe('as it is');
    expect(await real.images.inspect(`${name}:2`)).toMatchObject({ layers: 3, exposed: [5001], user: '' });
  });

  it('keeps the history and leaves no nameless image behind', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await withContainer(real, { part, image: source });
    await commit(container.target, { tag: `${name}:2` });
    expect(await namelessFrom(source)).toEqual([]);
    const rows = (await real.docker.getImage(`${name}:2`).history()) as { CreatedBy: string; Size: number }[];
    const older = (await real.docker.getImage(source).history()) as { CreatedBy: string; Size: number }[];
    expect(rows.slice(1).map(({ CreatedBy, Size }) => [CreatedBy, Size])).toEqual(
      older.map(({ CreatedBy, Size }) => [CreatedBy, Size]),
    );
  });

  it('refuses a tag that is there, and leaves it and the container alone', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await withContainer(real, { part, image: source });
    const id = (await real.images.inspect(source))?.id;
    await expect(commit(container.target, { tag: source })).rejects.toMatchObject({ code: 'taken', exitCode: 4 });
    expect((await real.images.inspect(source))?.id).toBe(id);
    expect(await namelessFrom(source)).toEqual([]);
    expect(await output(container.target, ['echo', 'alive'])).toBe('alive\n');
  });

  it('says that a container is gone', async () => {
    await using container = await withContainer(real, { part });
    await container[Symbol.asyncDispose]();
    await expect(commit(container.target, { tag: `${uniqueName(part)}:1` })).rejects.toMatchObject({
      code: 'no-container',
    });
  });

  it('makes one layer of all on an engine that wants every layer', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    const connection = new Connection(await findAddress(undefined, process.env));
    const config = (await real.docker.getImage(source).inspect()).Config;
    const Labels = { own: 'a "quoted" $HOME\\ value' };
    const id = await flatten(connection, source, { ...config, Labels });
    await real.images.tag(id, `${name}:flat`);
    const after = (await real.docker.getImage(id).inspect()).Config;
    for (const key of ['Cmd', 'Entrypoint', 'User', 'WorkingDir', 'ExposedPorts', 'Volumes', 'Env'] as const) {
      expect([key, after[key]]).toEqual([key, config[key]]);
    }
    expect(after.Labels).toEqual(Labels);
    await using container = await withContainer(real, { part, image: id });
    expect(await output(container.target, ['cat', `${ROOT}/score.py`])).toBe('built\n');
    connection.close();
  });
});

describe('a snapshot', () => {
  it('is what the preview said: the changed app, provenance, nothing of others', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await withContainer(real, { part, image: source, labels: { containerName: 'theirs' } });
    await output(container.target, [
      'sh',
      '-c',
      `cd ${ROOT} && echo edited > score.py && mkdir __pycache__ helpers && touch __pycache__/score.pyc helpers/clean.py && touch /tmp/log`,
    ]);
    const preview = await commitPreview(container.target, real.place, { root: ROOT, injected: false });
    expect(preview).toMatchObject({ tag: `${name}:2`, from: source, others: 1, notes: [] });
    expect(preview.changed.map(({ path, kind }) => `${kind} ${path}`).toSorted()).toEqual([
      `added ${ROOT}/helpers`,
      `added ${ROOT}/helpers/clean.py`,
      `modified ${ROOT}/score.py`,
    ]);
    expect(preview.size).toBeGreaterThan(0);

    const { calls, hooks } = recorded();
    const result = await commitContainer(
      container.target,
      real.place,
      { root: ROOT, injected: true },
      preview.tag,
      hooks,
    );
    expect(result).toMatchObject({ tag: `${name}:2`, notes: [] });
    expect(calls).toEqual(['quiet', 'prepare true', 'done']);
    const image = await real.images.inspect(result.tag);
    expect(image?.id).toBe(result.imageId);
    expect(image?.labels).toMatchObject({
      own: 'source',
      'io.drydock.from-image': source,
      'io.drydock.parent': container.target.id.image,
      'io.drydock.from-container': container.id,
      'io.drydock.from-container-name': container.name,
      'io.drydock.app-root': ROOT,
    });
    expect(Object.keys(image?.labels ?? {})).not.toContain('containerName');
    expect(image?.labels['drydock.test']).toBe('');
    await using next = await withContainer(real, { part, image: result.tag });
    expect(await output(next.target, ['cat', `${ROOT}/score.py`])).toBe('edited\n');
    // From a snapshot the numbers go on.
    expect((await commitPreview(next.target, real.place, { root: ROOT, injected: false })).tag).toBe(`${name}:3`);
  });

  it('takes the next number when its tag is taken meanwhile', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await withContainer(real, { part, image: source });
    const { hooks } = recorded(async () => real.images.tag(source, `${name}:2`));
    const result = await commitContainer(
      container.target,
      real.place,
      { root: ROOT, injected: false },
      `${name}:2`,
      hooks,
    );
    expect(result.tag).toBe(`${name}:3`);
    expect(result.notes).toEqual([`${name}:2 was taken meanwhile, so it is ${name}:3.`]);
    expect((await real.images.inspect(`${name}:2`))?.id).toBe(container.target.id.image);
  });

  it('lets the agent go on when the commit fails', async () => {
    await using container = await withContainer(real, { part });
    await container.target.lifecycle?.stop(0);
    const { calls, hooks } = recorded(() => real.docker.getContainer(container.id).remove());
    await expect(
      commitContainer(container.target, real.place, { root: ROOT, injected: false }, `${uniqueName(part)}:1`, hooks),
    ).rejects.toMatchObject({ code: 'no-container' });
    expect(calls.at(-1)).toBe('done');
  });

  it('holds a mounted app with its owners, and leaves mounted models out unless they are asked for', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name);
    await using container = await mountedContainer(source);
    const app = { root: `${ROOT}/code`, injected: false };
    const preview = await commitPreview(container.target, real.place, app);
    expect(preview.notes).toEqual([
      `${ROOT}/code is mounted (${dir}/code): its content goes into the image.`,
      expect.stringContaining(`${ROOT}/azureml-models/m/1 holds models and is mounted (${dir}/model): they stay out`),
    ]);

    const without = await commitContainer(container.target, real.place, app, preview.tag, recorded().hooks);
    await using plain = await withContainer(real, { part, image: without.tag });
    const listed = await output(plain.target, ['sh', '-c', `cd ${ROOT} && find code azureml-models | sort`]);
    expect(listed.trim().split('\n')).toEqual([
      'azureml-models',
      'azureml-models/m',
      'azureml-models/m/1',
      'code',
      'code/score.py',
      'code/src',
      'code/src/link.py',
    ]);
    expect(await output(plain.target, ['stat', '-c', '%u:%g %a', `${ROOT}/code/score.py`, `${ROOT}/code/src`])).toBe(
      '1000:1001 644\n1234:0 755\n',
    );
    expect(await output(plain.target, ['cat', `${ROOT}/code/src/link.py`])).toBe('mounted\n');

    const models = await commitContainer(
      container.target,
      real.place,
      { ...app, models: true },
      `${name}:3`,
      recorded().hooks,
    );
    await using full = await withContainer(real, { part, image: models.tag });
    expect(await output(full.target, ['cat', `${ROOT}/azureml-models/m/1/model.pkl`])).toBe('weights\n');
    expect((await real.images.inspect(models.tag))?.labels['own']).toBe('source');
    expect(await namelessFrom(source)).toEqual([]);
  });

  it('holds a mounted app even where the image declares a volume there', async () => {
    await using repository = withRepository(real, part);
    const { name } = repository;
    const source = await sourceImage(name, [`VOLUME ${ROOT}`]);
    await using container = await withContainer(real, { part, image: source });
    await output(container.target, ['sh', '-c', `echo in the volume > ${ROOT}/score.py`]);
    const result = await commitContainer(
      container.target,
      real.place,
      { root: ROOT, injected: false },
      `${name}:2`,
      recorded().hooks,
    );
    // The new container's own volume begins with what the image holds there.
    await using next = await withContainer(real, { part, image: result.tag });
    expect(await output(next.target, ['cat', `${ROOT}/score.py`])).toBe('in the volume\n');
    expect((await real.docker.getImage(result.tag).inspect()).Config.Volumes).toEqual({ [ROOT]: {} });
  });

  it('says first what --rm means', async () => {
    await using container = await withContainer(real, { part, host: { AutoRemove: true } });
    const preview = await commitPreview(container.target, real.place, { root: ROOT, injected: false });
    expect(preview.notes).toEqual([expect.stringContaining('--rm')]);
  });
});

/** An image of its own repository with labels, variables and a port, from a build. */
async function sourceImage(name: string, lines: readonly string[] = []): Promise<string> {
  await using base = await withContainer(real, { part });
  const image = (await real.images.inspect(base.target.id.image))?.tags[0] ?? '';
  const dockerfile = [
    `FROM ${image}`,
    'LABEL own=source',
    'ENV SCORER=1',
    'EXPOSE 5001',
    `WORKDIR ${ROOT}`,
    `RUN echo built > ${ROOT}/score.py`,
    ...lines,
  ].join('\n');
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, dockerfile);
  tar.finalize();
  await real.images.build(tar as AsyncIterable<Uint8Array>, {
    dockerfile: 'Dockerfile',
    tags: [`${name}:1`],
    labels: {},
    onOutput: () => undefined,
  });
  return `${name}:1`;
}

/** Images without a tag that stand on `image`. */
async function namelessFrom(image: string): Promise<readonly string[]> {
  const [top, nameless] = await Promise.all([
    real.docker.getImage(image).inspect(),
    real.docker.listImages({ filters: { dangling: ['true'] } }),
  ]);
  const all = await Promise.all(
    nameless.map(({ Id }) =>
      real.docker
        .getImage(Id)
        .inspect()
        .catch(() => null),
    ),
  );
  const layer = top.RootFS.Layers?.at(-1) ?? '';
  return all.filter((one) => one?.RootFS.Layers?.includes(layer) === true).map((one) => one?.Id ?? '');
}

/** As the v2 CLI runs a local endpoint: code and model are bind mounts. */
async function mountedContainer(image: string): Promise<TestContainer> {
  const code = join(dir, 'code');
  const model = join(dir, 'model');
  await Promise.all(
    [join(code, 'src'), join(code, '__pycache__'), model].map((path) => mkdir(path, { recursive: true })),
  );
  await writeFile(join(code, 'score.py'), 'mounted\n');
  await writeFile(join(code, '__pycache__', 'score.pyc'), 'stale');
  await writeFile(join(model, 'model.pkl'), 'weights\n');
  await chown(join(code, 'score.py'), 1000, 1001);
  await chown(join(code, 'src'), 1234, 0);
  await symlink('../score.py', join(code, 'src', 'link.py'));
  return withContainer(real, {
    part,
    image,
    env: { AML_APP_ROOT: `${ROOT}/code`, AZUREML_MODEL_DIR: `${ROOT}/azureml-models/m/1` },
    labels: { 'azureml-local-endpoint': '' },
    host: { Binds: [`${code}:${ROOT}/code`, `${model}:${ROOT}/azureml-models/m/1:ro`] },
  });
}

function commit(target: Target, options: Partial<CommitOptions> & { readonly tag: string }): Promise<string> {
  if (target.commit === undefined) throw new Error('A Docker Engine commits.');
  return target.commit({ pause: true, message: 'as it is', labels: {}, env: {}, ...options });
}

async function output(target: Target, argv: readonly string[]): Promise<string> {
  const process = await target.spawn(argv, { user: '0' });
  const [stdout, stderr, code] = await Promise.all([text(process.stdio), text(process.stderr), process.exit]);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${code} ${stderr}`);
  return stdout;
}

/** Hooks that say in which order they were called; `meanwhile` runs before the commit. */
function recorded(meanwhile: () => Promise<unknown> = () => Promise.resolve()): {
  calls: string[];
  hooks: CommitHooks;
} {
  const calls: string[] = [];
  return {
    calls,
    hooks: {
      quiet: () => {
        calls.push('quiet');
        return Promise.resolve(null);
      },
      prepare: async (dropKit) => {
        calls.push(`prepare ${String(dropKit)}`);
        await meanwhile();
      },
      done: () => {
        calls.push('done');
        return Promise.resolve();
      },
    },
  };
}
