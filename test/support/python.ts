/** Packages for this machine's Python, in folders that are made once. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { providePython } from '../../setup/python.ts';

let found: Promise<string> | null = null;

export const python = (): Promise<string> => (found ??= providePython(process.env));

/** A folder for PYTHONPATH that holds the packages and what they need. */
export async function site(name: string, packages: readonly string[]): Promise<string> {
  const interpreter = await python();
  const { stdout: version } = await execa(interpreter, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'drydock', 'test-python', version, name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}.`);
  const quiet = ['--quiet', '--no-warn-script-location', '--root-user-action=ignore'];
  await execa(interpreter, ['-m', 'pip', 'install', ...quiet, '--target', made, ...packages]);
  try {
    renameSync(made, folder);
  } catch {
    rmSync(made, { recursive: true }); // another run was first
  }
  return folder;
}

/** Beginning, middle and end of what users run; up to 20.1 they need pkg_resources, which setuptools 81 left out. */
export const GUNICORNS = ['19.9.0', '20.1.0', '23.0.0', '27.0.1'] as const;
export type GunicornVersion = (typeof GUNICORNS)[number];

export const gunicornSite = (version: GunicornVersion): Promise<string> =>
  site(`gunicorn-${version}`, [`gunicorn==${version}`, ...(Number.parseInt(version) < 23 ? ['setuptools<81'] : [])]);
