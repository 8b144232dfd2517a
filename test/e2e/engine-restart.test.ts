/** The Docker Engine itself is ended and started again, with its containers or without: sync finds its way back alone. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scoringImage } from '../support/images.ts';
import { Running, until, Workspace } from '../support/live.ts';
import { OwnEngine } from '../support/own-engine.ts';

const APP = '/srv/app';

/** A container of that engine and a folder of this machine, kept equal by a `drydock sync`. */
class Scene implements AsyncDisposable {
  readonly workspace = new Workspace();
  readonly dir = join(this.workspace.dir, 'host');
  readonly engine: OwnEngine;
  readonly #stack = new AsyncDisposableStack();
  #sync: Running | null = null;

  private constructor(engine: OwnEngine) {
    this.engine = this.#stack.use(engine);
    this.#stack.use(this.workspace);
    mkdirSync(this.dir);
    writeFileSync(join(this.dir, 'score.py'), 'first\n');
  }

  static async start(engine: OwnEngine, ...args: string[]): Promise<Scene> {
    const scene = new Scene(engine);
    try {
      const image = await scoringImage('bare');
      await engine.take(image);
      const idle = `mkdir -p ${APP}; trap exit TERM; while :; do sleep 1; done`;
      await engine.docker('run', '-d', '--name', 'app', '--network', 'none', ...args, image, 'sh', '-c', idle);
      scene.#sync = scene.#stack.use(
        new Running(['sync', 'app', '--dir', scene.dir, '--root', APP, '--no-reload', '--json'], scene.workspace, {
          DOCKER_HOST: engine.host,
        }),
      );
      await scene.sync.event('ready', ({ event }) => event === 'ready');
      await scene.arrives('score.py', 'first\n');
      return scene;
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
  }

  get sync(): Running {
    if (this.#sync === null) throw new Error('It has not begun.');
    return this.#sync;
  }

  /** The app folder, whether the engine is there or not. */
  async inside(): Promise<string> {
    return `/proc/${await this.engine.docker('inspect', '-f', '{{.State.Pid}}', 'app')}/root${APP}`;
  }

  async arrives(path: string, text: string): Promise<void> {
    const file = join(await this.inside(), path);
    await until(`${path} arrives in the container`, () => existsSync(file) && readFileSync(file, 'utf8') === text);
  }

  /** New on both sides, and both arrive; nothing became a conflict, and sync never ended. */
  async goesOn(): Promise<void> {
    writeFileSync(join(this.dir, 'after.txt'), 'host');
    await this.arrives('after.txt', 'host');
    writeFileSync(join(await this.inside(), 'score.py'), 'last\n');
    await until('it comes back', () => readFileSync(join(this.dir, 'score.py'), 'utf8') === 'last\n');
    expect(this.sync.events.filter(({ event }) => event === 'conflict' || event === 'halted')).toEqual([]);
    this.sync.kill('SIGTERM');
    expect(await this.sync.exited).toBe(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const isWaiting = ({ event }: { readonly event?: string }) => event === 'waiting';

test('its containers end with it: sync waits, says how they start, and goes on once one is', async () => {
  await using scene = await Scene.start(await OwnEngine.start());
  await scene.engine.end();
  await scene.sync.event('no engine', (told) => isWaiting(told) && /No Docker Engine/.test(String(told['reason'])));
  writeFileSync(join(scene.dir, 'score.py'), 'while away\n');
  await scene.engine.begin();
  const stopped = (hint: unknown) => String(hint).includes('docker start app');
  await scene.sync.event('a container that does not run', (told) => isWaiting(told) && stopped(told['hint']));
  await scene.engine.docker('start', 'app');
  await scene.arrives('score.py', 'while away\n');
  await scene.goesOn();
});

test('it starts its containers again by itself: nobody has to do anything', async () => {
  await using scene = await Scene.start(await OwnEngine.start(), '--restart', 'always');
  await scene.engine.end();
  await scene.sync.event('no engine', isWaiting);
  writeFileSync(join(scene.dir, 'score.py'), 'while away\n');
  await scene.engine.begin();
  await scene.arrives('score.py', 'while away\n');
  await scene.goesOn();
});

test('its containers outlive it (live-restore): what both sides wrote meanwhile arrives', async () => {
  await using scene = await Scene.start(await OwnEngine.start('--live-restore'));
  const inside = await scene.inside();
  await scene.engine.end();
  await scene.sync.event('no engine', isWaiting);
  writeFileSync(join(scene.dir, 'score.py'), 'while away\n');
  writeFileSync(join(inside, 'theirs.txt'), 'theirs');
  await scene.engine.begin();
  await scene.arrives('score.py', 'while away\n');
  await until('the container’s arrives', () => existsSync(join(scene.dir, 'theirs.txt')));
  expect(await scene.inside()).toBe(inside);
  await scene.goesOn();
});
