/** What the figures are measured on: the sample's container, a folder of the host, the built `drydock`. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execa } from 'execa';
import type { EngineOptions } from '../../console/engine/engine.ts';
import { scoringImage } from '../../test/support/images.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
export const DRYDOCK = join(CHECKOUT, 'dist', 'drydock.js');
export const ENGINE_WORKER = join(CHECKOUT, 'dist', 'engine-worker.js');
export const KIT = join(CHECKOUT, 'dist', 'kit');
export const APP_ROOT = '/var/azureml-app';
export const LABEL = 'drydock.test=bench';

export interface Scene extends AsyncDisposable {
  readonly name: string;
  /** The host's folder with the sample's sources. */
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly scoreUrl: string;
  /** The container's root folder as this machine's root sees it. */
  readonly inside: string;
}

let serial = 0;

/** Files a folder. */
const FOLDER_FILES = 40;

/** The path of the `n`th of so many further files. */
export function fileAt(n: number, files: number): string {
  return `part${n % Math.ceil(files / FOLDER_FILES)}/file${n}.txt`;
}

/** 1 KB that no other call returns. */
export function someContent(): string {
  return `${Math.random()}`.padEnd(1024, 'y');
}

/** Writes the files from `first` on; there are `files` of them in all. */
export function writeFiles(dir: string, files: number, first = 0): void {
  for (let n = first; n < files; n++) {
    const path = join(dir, fileAt(n, files));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, someContent());
  }
}

/** A fresh container that knows nothing of Drydock, and `files` further files on the host. */
export async function scene(files = 0, args: readonly string[] = []): Promise<Scene> {
  const image = await scoringImage('plain-user');
  serial += 1;
  const name = `drydock-bench-${process.pid}-${serial}`;
  await execa('docker', ['run', '-d', '--name', name, '--label', LABEL, '-p', '127.0.0.1::5001', ...args, image]);
  const home = mkdtempSync(join(tmpdir(), 'drydock-bench-'));
  const dir = join(home, 'app');
  cpSync(join(CHECKOUT, 'examples', 'diabetes'), dir, { recursive: true });
  writeFiles(dir, files);
  const scoreUrl = await scoreUrlOf(name);
  await untilAnswer(scoreUrl, () => true);
  return {
    name,
    dir,
    scoreUrl,
    env: { XDG_STATE_HOME: join(home, 'state') },
    inside: await insideOf(name),
    [Symbol.asyncDispose]: async () => {
      await execa('docker', ['rm', '-f', '-v', name], { reject: false });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The container's root folder; a container that is started again has another. */
export async function insideOf(name: string): Promise<string> {
  const { stdout } = await execa('docker', ['inspect', name, '--format', '{{.State.Pid}}']);
  return `/proc/${stdout}/root`;
}

/** A container that is started again is published elsewhere. */
export async function scoreUrlOf(name: string): Promise<string> {
  const { stdout } = await execa('docker', ['port', name, '5001']);
  return `http://127.0.0.1:${stdout.split('\n')[0]?.split(':').at(-1)}/score`;
}

const REQUEST = JSON.stringify({ data: [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] });

/** performance.now() of the first answer that fits. */
export async function untilAnswer(url: string, fits: (body: string) => boolean): Promise<number> {
  for (;;) {
    const body = await fetch(url, { method: 'POST', body: REQUEST, signal: AbortSignal.timeout(60_000) }).then(
      (response) => (response.ok ? response.text() : null),
      () => null,
    );
    if (body !== null && fits(body)) return performance.now();
    await new Promise((next) => setTimeout(next, 5));
  }
}

/** For an engine of one's own, as the console has it. */
export function engineOptions({ name, dir, env }: Scene): EngineOptions {
  return {
    ref: name,
    dir,
    cwd: dir,
    policy: 'host',
    stateDir: join(env['XDG_STATE_HOME'] ?? '', 'drydock'),
    wishes: {},
    reload: false,
    restart: 'never',
    kitDir: KIT,
  };
}

/** `drydock sync` until it is told to end. */
export async function syncing(scene: Scene, ...flags: string[]): Promise<AsyncDisposable & { readonly pid: number }> {
  const child = execa(
    process.execPath,
    [DRYDOCK, 'sync', scene.name, '--dir', scene.dir, '--prefer', 'host', '--json', ...flags],
    {
      env: scene.env,
      reject: false,
    },
  );
  // Iterating over the child and leaving would end its stdout, and so the child.
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => data.includes('"ready"') && resolve());
    void child.then(({ stderr }) => reject(new Error(stderr)));
  });
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await child;
    },
  };
}
