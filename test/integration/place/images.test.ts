import { createServer, type Server } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OWN_LABEL, OWN_LABEL_VALUE, removeOwn, runImage, type RunOptions } from '../../../console/engine/run.ts';
import type { RunResult } from '../../../console/engine/view.ts';
import { busyboxImage } from '../../support/busybox.ts';
import { OWNER } from '../../support/leftovers.ts';
import { engine, uniqueName, withContainer, withRepository, type TestEngine } from '../../support/engine.ts';

const part = 'images';

let real: TestEngine;
let busybox: string;
beforeAll(async () => {
  real = await engine();
  busybox = await busyboxImage(real.images);
});
afterAll(async () => {
  await real[Symbol.asyncDispose]();
});

describe('a build', () => {
  it('streams what the builder says and gives the image', async () => {
    await using repository = withRepository(real, part);
    let said = '';
    const id = await real.images.build(
      context(`FROM ${busybox}\nARG WORD\nRUN echo "said $WORD"\nEXPOSE 8080 5001\n`),
      {
        dockerfile: 'Dockerfile',
        tags: [`${repository.name}:1`, `${repository.name}:other`],
        labels: { made: 'here' },
        buildArgs: { WORD: 'something' },
        onOutput: (words) => (said += words),
      },
    );
    expect(said).toContain('said something');
    expect(await real.images.inspect(`${repository.name}:1`)).toMatchObject({
      id,
      labels: { made: 'here' },
      exposed: [5001, 8080],
      env: { PATH: '/bin' },
    });
    expect((await real.images.tags(repository.name)).toSorted()).toEqual([
      `${repository.name}:1`,
      `${repository.name}:other`,
    ]);
  });

  it('that fails names the step and shows the builder’s last words', async () => {
    const build = real.images.build(context(`FROM ${busybox}\nRUN echo no luck here; exit 3\n`), {
      dockerfile: 'Dockerfile',
      tags: [],
      labels: {},
      onOutput: () => undefined,
    });
    await expect(build).rejects.toMatchObject({
      code: 'not-well',
      exitCode: 1,
      message: expect.stringMatching(/step 2\/2, RUN echo no luck here.*non-zero code: 3/) as string,
      hint: expect.stringContaining('no luck here') as string,
    });
  });

  it('that is stopped says so', async () => {
    const stop = new AbortController();
    const build = real.images.build(context(`FROM ${busybox}\nRUN echo begun; sleep 600\n`), {
      dockerfile: 'Dockerfile',
      tags: [],
      labels: {},
      onOutput: (words) => {
        if (words.includes('begun')) stop.abort();
      },
      signal: stop.signal,
    });
    await expect(build).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('an image', () => {
  it('that is not there is null; one that cannot be pulled says why', async () => {
    expect(await real.images.inspect('no-such-image:1')).toBeNull();
    expect(await real.images.tags('no-such-image')).toEqual([]);
    await expect(real.images.pull('127.0.0.1:9/none:1', () => undefined)).rejects.toMatchObject({
      message: expect.stringContaining('127.0.0.1:9/none:1') as string,
    });
  });

  it('that a container uses is not removed', async () => {
    await using repository = withRepository(real, part);
    await real.images.build(context(`FROM ${busybox}\nLABEL only=this\n`), {
      dockerfile: 'Dockerfile',
      tags: [`${repository.name}:1`],
      labels: {},
      onOutput: () => undefined,
    });
    await using container = await withContainer(real, { part, image: `${repository.name}:1` });
    expect(container.target.id.image).toBe((await real.images.inspect(`${repository.name}:1`))?.id);
    await expect(real.images.remove(`${repository.name}:1`)).rejects.toMatchObject({ code: 'taken' });
    expect(await real.images.inspect(`${repository.name}:1`)).not.toBeNull();
  });
});

describe('running an image', () => {
  it('publishes on loopback only, and takes the next name and port where they are taken', async () => {
    const name = uniqueName(part);
    await using occupied = await listening();
    await using first = await runOwn({ image: busybox, name, port: occupied.port });
    await using second = await runOwn({ image: busybox, name, port: occupied.port });
    expect([first.name, second.name]).toEqual([name, `${name}-2`]);
    const ports = await Promise.all(
      [first.id, second.id].map(async (id) => (await (await real.place.open(id)).facts()).ports),
    );
    for (const published of ports) expect(published).toMatchObject([{ container: 5001, address: '127.0.0.1' }]);
    const hosts = ports.map(([port]) => port?.host ?? 0);
    expect(hosts.every((host) => host > occupied.port)).toBe(true);
    expect(new Set(hosts).size).toBe(2);
    expect([first.scoreUrl, second.scoreUrl]).toEqual(hosts.map((host) => `http://127.0.0.1:${host}/score`));
  });

  it('that takes a name or port says which, and leaves no container behind', async () => {
    const name = uniqueName(part);
    await using occupied = await listening();
    const spec = { image: busybox, name, labels: LABELS, ports: [{ container: 5001, host: occupied.port }] };
    await expect(real.images.run(spec)).rejects.toMatchObject({
      code: 'taken',
      message: expect.stringContaining(String(occupied.port)) as string,
    });
    expect((await real.place.list()).filter((found) => found.name === name)).toEqual([]);
    await using holder = await withContainer(real, { part, name });
    expect(holder.name).toBe(name);
    await expect(real.images.run({ ...spec, ports: [] })).rejects.toMatchObject({
      code: 'taken',
      message: expect.stringContaining(name) as string,
    });
  });

  it('that is not there says how to get it', async () => {
    await expect(runImage(real.place, { image: 'no-such-image:1', name: uniqueName(part) })).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('docker pull no-such-image:1') as string,
    });
  });

  it('replaces what Drydock started and nothing else', async () => {
    const name = uniqueName(part);
    await using theirs = await withContainer(real, { part, name, labels: { [OWN_LABEL]: 'somebody' } });
    await expect(runImage(real.place, { image: busybox, name, replace: true })).rejects.toMatchObject({
      code: 'taken',
    });
    await expect(removeOwn(real.place, name)).rejects.toMatchObject({ code: 'taken', exitCode: 4 });
    await real.place.open(theirs.id);
    await theirs[Symbol.asyncDispose]();

    await using first = await runOwn({ image: busybox, name });
    expect((await (await real.place.open(name)).facts()).labels[OWN_LABEL]).toBe(OWN_LABEL_VALUE);
    await using second = await runOwn({ image: busybox, name, replace: true });
    expect(second.name).toBe(name);
    expect((await real.place.list()).some(({ id }) => id === first.id)).toBe(false);
  });

  it('takes user, dropped capabilities, variables, mounts and a terminal', async () => {
    await using run = removed(
      await real.images.run({
        image: busybox,
        name: uniqueName(part),
        labels: LABELS,
        env: { A: 'b' },
        ports: [],
        user: '1000',
        capDrop: ['ALL'],
        tty: true,
        mounts: [{ type: 'tmpfs', source: '', destination: '/scratch', writable: true }],
      }),
    );
    const target = await real.place.open(run.id);
    expect(await target.facts()).toMatchObject({
      user: '1000',
      rootCapable: false,
      tty: true,
      mounts: [{ type: 'tmpfs', destination: '/scratch', writable: true }],
    });
    const process = await target.spawn(['sh', '-c', 'id -u; echo $A'], {});
    process.stderr.resume();
    expect(await text(process.stdio)).toBe('1000\nb\n');
  });
});

it('facts name every mount, those of `--tmpfs` too', async () => {
  const Tmpfs = { '/app/': 'size=1m,ro', '/data': '' };
  await using container = await withContainer(real, { part, host: { Tmpfs, Binds: ['/tmp:/host:ro'] } });
  const { mounts } = await container.target.facts();
  expect(mounts.toSorted((a, b) => a.destination.localeCompare(b.destination))).toEqual([
    { type: 'tmpfs', source: '', destination: '/app', writable: false },
    { type: 'tmpfs', source: '', destination: '/data', writable: true },
    { type: 'bind', source: '/tmp', destination: '/host', writable: false },
  ]);
});

const LABELS = { 'drydock.test': part, ...OWNER };

function context(dockerfile: string): AsyncIterable<Uint8Array> {
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, dockerfile);
  tar.finalize();
  return Readable.from(tar as AsyncIterable<Uint8Array>, { objectMode: false });
}

async function runOwn(options: RunOptions): Promise<RunResult & AsyncDisposable> {
  return removed(await runImage(real.place, { labels: LABELS, ...options }));
}

function removed<T extends { readonly id: string }>(container: T): T & AsyncDisposable {
  const { id } = container;
  return {
    ...container,
    [Symbol.asyncDispose]: async () => {
      if ((await real.place.list()).some((found) => found.id === id)) await real.images.removeContainer(id);
    },
  };
}

/** A port of this machine that is in use. */
async function listening(): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
