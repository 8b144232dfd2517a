/** The licences of everything that a bundle holds. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/** Text of the licence files of all packages that went into a bundle, and of `extra` ones, each under its name. */
export async function licenses(
  root: string,
  metafiles: readonly Metafile[],
  extra: readonly string[],
): Promise<string> {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const bundled = inputs.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  const names = [...new Set([...bundled, ...extra])].sort();
  const texts = await Promise.all(names.map((name) => license(join(root, 'node_modules', name), name)));
  return [`Drydock\n\n${await readFile(join(root, 'LICENSE'), 'utf8')}`, ...texts].join(`\n${'='.repeat(80)}\n`);
}

async function license(dir: string, name: string): Promise<string> {
  const files = (await readdir(dir)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = await Promise.all(files.map((file) => readFile(join(dir, file), 'utf8')));
  return texts.length > 0 ? `${name}\n\n${texts.join('\n')}` : `${name}\n\n${await declared(dir)}`;
}

/** The licence that a package without a licence file names in its package.json. */
async function declared(dir: string): Promise<string> {
  const about: unknown = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'));
  const stated = typeof about === 'object' && about !== null && 'license' in about ? about.license : null;
  return `Licence: ${typeof stated === 'string' ? stated : 'not stated'}\n`;
}
