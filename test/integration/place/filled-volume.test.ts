/** A volume that the first container that mounts it brings, on a real engine. */
import { request, createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findAddress } from '../../../console/place/docker/address.ts';
import { openDocker } from '../../../console/place/docker/docker.ts';
import type { FilledVolume, Images, RunSpec } from '../../../console/place/place.ts';
import { busyboxImage } from '../../support/busybox.ts';
import { engine, uniqueName, type TestEngine } from '../../support/engine.ts';

let real: TestEngine;
let busybox: string;
beforeAll(async () => {
  real = await engine();
  busybox = await busyboxImage(real.images);
});
afterAll(() => real[Symbol.asyncDispose]());

/** A volume of a test's own, and containers that mount it; gone with it. */
class Scene implements AsyncDisposable {
  readonly label = uniqueName('volume');
  readonly volumes = new Set<string>();
  readonly containers = new Set<string>();
  /** How often its content was sent. */
  sent = 0;

  volume(build: string): FilledVolume {
    const name = `${this.label}-${build}`;
    this.volumes.add(name);
    return {
      name,
      label: this.label,
      path: '/opt/kit',
      last: '/opt/kit/LAST',
      tar: () => {
        this.sent += 1;
        return content(build);
      },
    };
  }

  async run(volume: FilledVolume, images: Images = real.images): Promise<string> {
    const spec: RunSpec = {
      image: busybox,
      name: uniqueName('volume'),
      labels: {},
      ports: [],
      volume,
      entrypoint: ['/bin/busybox', 'sleep'],
      command: ['3600'],
    };
    this.containers.add(spec.name);
    return (await images.run(spec)).id;
  }

  async read(id: string, path: string): Promise<string> {
    const { exec, output } = { exec: await real.place.open(id), output: [] as Buffer[] };
    const process = await exec.spawn(['/bin/busybox', 'cat', path], {});
    process.stderr.resume();
    process.stdio.on('data', (data: Buffer) => output.push(data));
    await process.exit;
    return Buffer.concat(output).toString();
  }

  async names(): Promise<string[]> {
    const filters = JSON.stringify({ label: [this.label] });
    const { Volumes: volumes } = await real.docker.listVolumes({ filters });
    return volumes.map(({ Name }) => Name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.containers)
      await real.docker
        .getContainer(name)
        .remove({ force: true })
        .catch(() => undefined);
    for (const name of this.volumes)
      await real.docker
        .getVolume(name)
        .remove()
        .catch(() => undefined);
  }
}

async function* content(build: string): AsyncIterable<Uint8Array> {
  const tar = pack();
  tar.entry({ name: 'opt/kit/build' }, build);
  tar.entry({ name: 'opt/kit/LAST' }, '');
  tar.finalize();
  for await (const chunk of tar) yield chunk as Uint8Array;
}

test('containers that are started at once agree: one brings it, all have the whole of it, read-only', async () => {
  await using scene = new Scene();
  const volume = scene.volume('one');
  const ids = await Promise.all(Array.from({ length: 5 }, () => scene.run(volume)));
  expect(scene.sent).toBe(1);
  for (const id of ids) expect(await scene.read(id, '/opt/kit/build')).toBe('one');
  const { Mounts: mounts } = await real.docker.getContainer(ids[0] ?? '').inspect();
  expect(mounts).toMatchObject([{ Type: 'volume', Name: volume.name, RW: false }]);
  await scene.run(volume);
  expect(scene.sent).toBe(1);
});

test('a process that was killed while it filled one is followed by the next', async () => {
  await using scene = new Scene();
  const volume = scene.volume('one');
  const { pid } = spawnSync('true');
  const filler = `${volume.name}-fill`;
  scene.containers.add(filler);
  await real.docker.createContainer({
    name: filler,
    Image: busybox,
    Cmd: ['-'],
    Labels: { 'io.drydock.filler': `${hostname()}/${pid}` },
    HostConfig: { Mounts: [{ Type: 'volume', Source: volume.name, Target: '/opt/kit' }] },
  });
  const id = await scene.run(volume);
  expect(await scene.read(id, '/opt/kit/build')).toBe('one');
  expect((await real.place.list()).map(({ name }) => name)).not.toContain(filler);
});

test('those of other builds go when nobody uses them', async () => {
  await using scene = new Scene();
  const [unused, used] = [scene.volume('unused'), scene.volume('used')];
  const first = await scene.run(unused);
  await scene.run(used);
  await real.docker.getContainer(first).remove({ force: true });
  const newest = scene.volume('newest');
  await scene.run(newest);
  expect(await scene.names()).toEqual([newest.name, used.name].sort());
});

test('an engine that refuses volumes: said, with the way that needs none', async () => {
  await using scene = new Scene();
  await using guarded = await engineWithoutVolumes();
  const place = await openDocker({ host: `unix://${guarded.path}`, env: {} });
  const run = scene.run(scene.volume('one'), place.images);
  await expect(run).rejects.toMatchObject({
    code: 'no-permission',
    hint: expect.stringContaining('drydock attach') as string,
  });
  await place.close();
});

/** As an authorization plugin of the engine answers. */
async function engineWithoutVolumes(): Promise<AsyncDisposable & { readonly path: string }> {
  const { options } = await findAddress(undefined, process.env);
  const dir = mkdtempSync(join(tmpdir(), 'drydock-guard-'));
  const path = join(dir, 'docker.sock');
  const server = createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.on('end', () => {
      const body = Buffer.concat(chunks);
      if (asked.url?.includes('/containers/create') === true && body.includes('"Type":"volume"')) {
        answer.writeHead(403, { 'content-type': 'application/json' });
        answer.end(JSON.stringify({ message: 'authorization denied by plugin guard: no volumes' }));
        return;
      }
      const { method = 'GET', url: at = '/', headers } = asked;
      request({ socketPath: options.socketPath, method, path: at, headers }, (from) => {
        answer.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(answer);
      }).end(body);
    });
  });
  await new Promise<void>((done) => server.listen(path, done));
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(dir, { recursive: true });
    },
  };
}
