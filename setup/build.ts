/** `npm run build`: dist/drydock.js and its chunks, dist/kit. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleConsole } from './bundle.ts';
import { makeKit } from './kit.ts';
import { licenses } from './licenses.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const kit = join(dist, 'kit');

const started = performance.now();
const version = await digest(['agent', 'console', 'shared', 'setup', 'package-lock.json']);
await emptyExceptNode();
const results = await Promise.allSettled([bundle(), makeKit({ root, out: kit, version })]);
const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
if (reasons.length > 0) {
  process.exitCode = 1;
  // esbuild has said its own already.
  for (const reason of reasons) if (!(reason instanceof Error && 'errors' in reason)) console.error(reason);
} else {
  await writeFile(join(dist, '.built'), version); // the bootstrap compares its time with the sources'
  process.stderr.write(`built ${version} in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

async function bundle(): Promise<void> {
  const metafile = await bundleConsole({ root, out: dist, version });
  await writeFile(join(dist, 'LICENSES'), await licenses(root, [metafile], []));
  await chmod(join(dist, 'drydock.js'), 0o755);
}

/** Digest of the sources: console and agent of the same sources understand each other. */
async function digest(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const walk = async (path: string): Promise<void> => {
    const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => null);
    if (entries === null) return void hash.update(`${path}\0`).update(await readFile(join(root, path)));
    const names = entries.filter(({ name }) => name !== '__pycache__').map(({ name }) => name);
    for (const name of names.sort()) await walk(`${path}/${name}`);
  };
  for (const path of paths) await walk(path);
  return hash.digest('hex').slice(0, 12);
}

/** The kit's Node takes a second to copy and seldom changes: it stays. */
async function emptyExceptNode(): Promise<void> {
  await mkdir(kit, { recursive: true });
  for (const [dir, keep] of [
    [dist, 'kit'],
    [kit, 'node'],
  ] as const) {
    const names = (await readdir(dir)).filter((name) => name !== keep);
    await Promise.all(names.map((name) => rm(join(dir, name), { recursive: true })));
  }
}
