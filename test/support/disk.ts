/** A disk endpoint over a temporary folder, with what its tests say again and again. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Change, Outcome } from '../../shared/core/sync/endpoint.ts';
import { openDisk } from '../../shared/disk/disk.ts';
import type { DiskEndpoint, DiskOptions } from '../../shared/disk/disk.ts';
import type { ProvenFiles } from '../../shared/disk/known.ts';
import { News, contents, ignoredInTests } from '../contract/endpoint.ts';
import { testFolder } from './folder.ts';
import type { TestFolder } from './folder.ts';

export async function folder(): Promise<TestFolder> {
  const made = await testFolder();
  onTestFinished(() => made.remove());
  return made;
}

/** Opened, scanned, closed when the test is over. */
export async function disk(root: string, options: Partial<DiskOptions> = {}): Promise<DiskEndpoint> {
  const endpoint = await openDisk({ root, ignored: ignoredInTests, ...options });
  onTestFinished(() => endpoint.close());
  await endpoint.scan();
  return endpoint;
}

export async function watched(endpoint: DiskEndpoint): Promise<News> {
  const news = new News();
  await endpoint.watch(news.onChange, news.onLost);
  return news;
}

/** The files of an endpoint once all of them are older than the clock's grain. */
export async function provenBy(endpoint: DiskEndpoint, count: number): Promise<ProvenFiles> {
  while (endpoint.proven().size < count) await sleep(5);
  return endpoint.proven();
}

export async function make(
  endpoint: DiskEndpoint,
  change: Change,
  ...content: readonly (string | Uint8Array)[]
): Promise<Outcome> {
  const [outcome] = await endpoint.apply([change], contents(...content));
  if (outcome === undefined) throw new Error('no outcome came');
  return outcome;
}

/** As a console does that has all of them in its journal. */
export async function releaseAll(endpoint: DiskEndpoint): Promise<void> {
  await endpoint.release((await endpoint.left()).map(({ held }) => held));
}

/** Content of each file whose name matches, by name. */
export function filesLike(root: string, pattern: RegExp): Record<string, string> {
  const names = readdirSync(root).filter((name) => pattern.test(name));
  return Object.fromEntries(names.map((name) => [name, readFileSync(`${root}/${name}`, 'utf8')]));
}

/** The staging folder of a process, one that is no more unless it is named, with one victim in it. */
export function leaveVictim(
  base: string,
  ticket: object,
  content: string,
  owner = `${spawnSync('true').pid}-1`,
  write = (at: string) => writeFileSync(at, content),
): void {
  const space = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  const left = `${base}/.drydock-root/${owner}-${space}-00000000`;
  mkdirSync(left, { recursive: true, mode: 0o700 });
  write(`${left}/victim-1`);
  writeFileSync(`${left}/tickets`, `${JSON.stringify({ name: 'victim-1', ...ticket })}\n{"name": "vic`);
  writeFileSync(`${left}/new-2`, 'half a fi');
}

/**
 * A program that holds a mapping of the file, as `numpy.memmap` does; each letter that it is told is the first byte from
 * then on. The file's time stamp says so only for the first write after the system has written the page back.
 */
export async function mapper(path: string): Promise<(letter: string) => Promise<void>> {
  const lines = [
    'import mmap, sys',
    "with open(sys.argv[1], 'r+b') as file:",
    '  view = mmap.mmap(file.fileno(), 0)',
    "  print('ready', flush=True)",
    '  for line in sys.stdin:',
    '    view[0:1] = line[0].encode()',
    "    print('done', flush=True)",
  ];
  const child = spawn('python3', ['-c', lines.join('\n'), path], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  return async (letter) => {
    child.stdin.write(`${letter}\n`);
    await once(child.stdout, 'data');
  };
}

export const isRoot = process.getuid?.() === 0;
/** A user that is not root, whoever runs the tests. */
export const USER = isRoot ? { uid: 1000, gid: 1000 } : {};

/** A program of test/fixtures/disk in a process of its own; its answer is its standard output, parsed. */
export async function program(
  name: string,
  args: readonly string[],
  user: { uid?: number; gid?: number } = {},
): Promise<unknown> {
  const child = launch(name, args, user);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}: ${out}`);
  return JSON.parse(out);
}

export function launch(name: string, args: readonly string[], user: { uid?: number; gid?: number } = {}) {
  const path = fileURLToPath(new URL(`../fixtures/disk/${name}`, import.meta.url));
  return spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'], ...user });
}

/** Puts a link to `target` in the place of the folder at `path` and takes it away again, without rest, until stopped. */
export async function swapper(path: string, target: string): Promise<{ stop: () => Promise<void> }> {
  const child = launch('swap.ts', [path, target]);
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  return {
    stop: async () => {
      child.kill();
      const [code] = await ended;
      if (code !== null) throw new Error(`the swapper ended by itself with ${code}: the test tested nothing`);
    },
  };
}
