/**
 * An edit on the host until it is visible on the other side, by others that can be installed: each as good as it can be
 * set. `docker cp` is called as soon as the file is written. `docker compose watch` counts where `docker-compose` is of
 * version 2, which Debian has not (`go install github.com/docker/compose/v2/cmd@v2.32.4` builds it).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import type { Figure } from './support/figures.ts';
import { startFloor } from './support/floor.ts';
import { installed, untilEqual, watchingRivals, type Rival } from './support/rivals.ts';
import { APP_ROOT, fileAt, insideOf, scene, someContent, syncing, writeFiles, type Scene } from './support/scene.ts';
import { untilVisible } from './support/visible.ts';

/** Files, and edits of each rival: some take seconds for one. */
const SIZES = [
  [200, 6],
  [2_000, 12],
  [10_000, 6],
] as const;

export async function rivals(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [files, rounds] of SIZES) figures.push(await rivalsAmong(files, rounds));
  return figures;
}

async function rivalsAmong(files: number, rounds: number): Promise<Figure> {
  await using on = await scene(files);
  await using stack = new AsyncDisposableStack();
  const fill = (dir: string) => writeFiles(dir, files);
  const last = fileAt(files - 1, files);
  const all = [
    floorRival(on, stack, files, rounds),
    await drydockRival(on, stack),
    dockerCp(on, fill),
    ...(await installed(['docker-compose', 'watch', '--help'], () => composeWatch(on, stack, fill, last))),
    ...(await watchingRivals(stack, fill, last)),
  ];
  const samples = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let n = 0; n < rounds; n++) {
    for (const { name, from, to, act } of all) {
      const [path, content] = [fileAt(n, files), someContent()];
      let started = 0;
      const seen = await untilVisible(join(to, path), content, async () => {
        started = performance.now();
        await writeFile(join(from, path), content);
        await act?.(path);
      });
      samples.get(name)?.push(seen - started);
    }
  }
  return {
    title: `An edit on the host until it is visible on the other side, ${files} files, beside others`,
    series: all.map(({ name }) => ({ name, samples: samples.get(name) ?? [] })),
    target: 'none; lsyncd goes one way and syncs nothing to the disk',
  };
}

function floorRival(on: Scene, stack: AsyncDisposableStack, files: number, rounds: number): Rival {
  const [from, to] = [join(on.dir, '..', 'floor'), join(on.inside, 'tmp', 'floor')];
  for (const folder of [from, to]) writeFiles(folder, files);
  // One folder after the other, as many as are edited.
  for (const folder of new Set(Array.from({ length: rounds }, (_, n) => dirname(fileAt(n, files))))) {
    const watcher = startFloor(join(from, folder), join(to, folder));
    stack.defer(() => watcher.close());
  }
  return { name: 'floor: inotify, copy, fsync, rename', from, to };
}

async function drydockRival(on: Scene, stack: AsyncDisposableStack): Promise<Rival> {
  stack.use(await syncing(on, '--no-reload'));
  return { name: 'drydock sync, two ways, into a container', from: on.dir, to: join(on.inside, APP_ROOT) };
}

function dockerCp(on: Scene, fill: (dir: string) => void): Rival {
  const [from, to] = [join(on.dir, '..', 'cp'), '/tmp/cp'];
  for (const folder of [from, join(on.inside, to)]) fill(folder);
  const act = (path: string) => execa('docker', ['cp', join(from, path), `${on.name}:${to}/${path}`]);
  return { name: 'docker cp of the one file, one way', from, to: join(on.inside, to), act };
}

/** `docker compose` of one's own: the plugin of version 2, as `docker-compose` on the PATH. */
async function composeWatch(
  on: Scene,
  stack: AsyncDisposableStack,
  fill: (dir: string) => void,
  last: string,
): Promise<Rival> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-compose-'));
  stack.defer(() => rmSync(base, { recursive: true, force: true }));
  const from = join(base, 'app');
  fill(from);
  const { stdout: image } = await execa('docker', ['inspect', on.name, '--format', '{{.Config.Image}}']);
  const project = basename(base).toLowerCase();
  writeFileSync(
    join(base, 'compose.yaml'),
    [
      'services:',
      '  scorer:',
      `    image: ${image}`,
      '    build: .', // asked for by watch, used by nobody
      '    develop:',
      '      watch:',
      `        - { action: sync, path: app, target: ${APP_ROOT} }`,
    ].join('\n'),
  );
  writeFileSync(join(base, 'Dockerfile'), `FROM ${image}\n`);
  const compose = (...args: string[]) => execa('docker-compose', ['-p', project, ...args], { cwd: base });
  await compose('up', '-d', '--no-build');
  stack.defer(async () => {
    await compose('down', '-t', '0');
  });
  const { stdout: id } = await compose('ps', '-q', 'scorer');
  const watch = execa('docker-compose', ['-p', project, 'watch', '--no-up'], {
    cwd: base,
    all: true,
    buffer: false,
    reject: false,
  });
  stack.defer(async () => {
    watch.kill('SIGTERM');
    await watch;
  });
  // It carries nothing over but what changes from now on.
  await new Promise<void>((ready) => watch.all.on('data', (text: Buffer) => text.includes('Watch enabled') && ready()));
  const to = join(await insideOf(id), APP_ROOT);
  fill(to);
  return untilEqual({ name: 'docker compose watch, one way', from, to }, last);
}
