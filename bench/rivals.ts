/**
 * An edit on the host until it is visible on the other side, by others that can be installed: each as good as it can be
 * set. Unison, Syncthing and lsyncd work between two folders of this machine, which is less than the way into a
 * container; `docker cp` is called as soon as the file is written. `docker compose watch` counts where `docker-compose` is of
 * version 2, which Debian has not (`go install github.com/docker/compose/v2/cmd@v2.32.4` builds it).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { openSyncthing } from '../test/blackbox/syncthing.ts';
import { openUnison } from '../test/blackbox/unison.ts';
import type { Figure } from './support/figures.ts';
import { startFloor } from './support/floor.ts';
import { APP_ROOT, fileAt, insideOf, scene, someContent, syncing, writeFiles, type Scene } from './support/scene.ts';
import { untilVisible } from './support/visible.ts';

const ROUNDS = 12;
const FILES = 2_000;

interface Rival {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** What its user does after the save. */
  readonly act?: (path: string) => Promise<unknown>;
}

export async function rivals(): Promise<Figure[]> {
  await using on = await scene(FILES);
  await using stack = new AsyncDisposableStack();
  const all = [
    floorRival(on, stack),
    await drydockRival(on, stack),
    dockerCp(on),
    ...(await installed(['docker-compose', 'watch', '--help'], () => composeWatch(on, stack))),
    ...(await installed(['lsyncd', '--version'], () => lsyncd(stack))),
    ...(await installed(['unison', '-version'], async () => arena('Unison, two ways', stack.use(await openUnison())))),
    ...(await installed(['syncthing', '--version'], async () =>
      arena('Syncthing, two ways', stack.use(await openSyncthing())),
    )),
  ];
  const samples = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let n = 0; n < ROUNDS; n++) {
    for (const { name, from, to, act } of all) {
      const [path, content] = [fileAt(n, FILES), someContent()];
      let started = 0;
      const seen = await untilVisible(join(to, path), content, async () => {
        started = performance.now();
        await writeFile(join(from, path), content);
        await act?.(path);
      });
      samples.get(name)?.push(seen - started);
    }
  }
  return [
    {
      title: `An edit on the host until it is visible on the other side, ${FILES} files, beside others`,
      series: all.map(({ name }) => ({ name, samples: samples.get(name) ?? [] })),
      target: 'none; lsyncd goes one way and syncs nothing to the disk',
    },
  ];
}

/** By a command that only the wanted program knows. */
async function installed([program = '', ...args]: readonly string[], open: () => Promise<Rival>): Promise<Rival[]> {
  const { failed } = await execa(program, args, { reject: false });
  return failed ? [] : [await open()];
}

function floorRival(on: Scene, stack: AsyncDisposableStack): Rival {
  const [from, to] = [join(on.dir, '..', 'floor'), join(on.inside, 'tmp', 'floor')];
  for (const folder of [from, to]) writeFiles(folder, FILES);
  // One folder after the other, as many as are edited.
  for (const folder of new Set(Array.from({ length: ROUNDS }, (_, n) => dirname(fileAt(n, FILES))))) {
    const watcher = startFloor(join(from, folder), join(to, folder));
    stack.defer(() => watcher.close());
  }
  return { name: 'floor: inotify, copy, fsync, rename', from, to };
}

async function drydockRival(on: Scene, stack: AsyncDisposableStack): Promise<Rival> {
  stack.use(await syncing(on, '--no-reload'));
  return { name: 'drydock sync, two ways, into a container', from: on.dir, to: join(on.inside, APP_ROOT) };
}

function dockerCp(on: Scene): Rival {
  const [from, to] = [join(on.dir, '..', 'cp'), '/tmp/cp'];
  for (const folder of [from, join(on.inside, to)]) writeFiles(folder, FILES);
  const act = (path: string) => execa('docker', ['cp', join(from, path), `${on.name}:${to}/${path}`]);
  return { name: 'docker cp of the one file, one way', from, to: join(on.inside, to), act };
}

async function lsyncd(stack: AsyncDisposableStack): Promise<Rival> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-lsyncd-'));
  stack.defer(() => rmSync(base, { recursive: true, force: true }));
  const [from, to] = [join(base, 'from'), join(base, 'to')];
  mkdirSync(to);
  writeFiles(from, FILES);
  const child = execa('lsyncd', ['-nodaemon', '-delay', '0', '-rsync', from, to], { stdio: 'ignore', reject: false });
  stack.defer(async () => {
    child.kill('SIGTERM');
    await child;
  });
  return untilEqual({ name: 'lsyncd with rsync, one way', from, to });
}

async function arena(name: string, { folders }: { folders: { host: string; container: string } }): Promise<Rival> {
  writeFiles(folders.host, FILES);
  return untilEqual({ name, from: folders.host, to: folders.container });
}

/** A last file has arrived: what was written before it is there. */
async function untilEqual(rival: Rival): Promise<Rival> {
  const content = someContent();
  await untilVisible(join(rival.to, 'zz-last'), content, () => writeFile(join(rival.from, 'zz-last'), content));
  const [path, again] = [fileAt(FILES - 1, FILES), someContent()];
  await untilVisible(join(rival.to, path), again, () => writeFile(join(rival.from, path), again));
  return rival;
}

/** `docker compose` of one's own: the plugin of version 2, as `docker-compose` on the PATH. */
async function composeWatch(on: Scene, stack: AsyncDisposableStack): Promise<Rival> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-compose-'));
  stack.defer(() => rmSync(base, { recursive: true, force: true }));
  const from = join(base, 'app');
  writeFiles(from, FILES);
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
  writeFiles(to, FILES);
  return untilEqual({ name: 'docker compose watch, one way', from, to });
}
