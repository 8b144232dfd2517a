/** This machine's Python, and packages for it and others, in folders that are made once. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { providePython } from '../../setup/python.ts';

export interface Python {
  readonly path: string;
  /** `3.11` */
  readonly version: string;
}

let found: Promise<Python> | null = null;

/** It has pip. */
export const python = (): Promise<Python> => (found ??= look());

async function look(): Promise<Python> {
  const path = await providePython(process.env);
  const { stdout } = await execa(path, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
  return { path, version: stdout };
}

/** A folder of the cache. `make` fills it under another name first, so that it is whole, whoever else makes it. */
export async function madeOnce(name: string, make: (made: string, folder: string) => Promise<void>): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = join(cache, 'drydock', 'test-python', name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}.`);
  try {
    await make(made, folder);
    if (!existsSync(folder)) renameSync(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // else another run was first
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return folder;
}

/** A folder for PYTHONPATH that holds the packages and what they need. */
export async function site(name: string, packages: readonly string[], wanted?: Python): Promise<string> {
  const own = await python();
  const { version } = wanted ?? own;
  return madeOnce(join(version, name), async (made) => {
    const quiet = ['--quiet', '--no-warn-script-location', '--root-user-action=ignore'];
    const into = ['--target', made, '--python-version', version, '--only-binary=:all:'];
    await execa(own.path, ['-m', 'pip', 'install', ...quiet, ...into, ...packages]);
  });
}

/** Beginning, middle and end of what users run; up to 20.1 they need pkg_resources, which setuptools 81 left out. */
export const GUNICORNS = ['19.9.0', '20.1.0', '23.0.0', '27.0.1'] as const;
/** Nothing is promised for it. */
export const TOO_OLD = '19.7.1';
export type GunicornVersion = (typeof GUNICORNS)[number] | typeof TOO_OLD;

export const gunicornSite = (version: GunicornVersion, wanted?: Python): Promise<string> =>
  site(
    `gunicorn-${version}`,
    [`gunicorn==${version}`, ...(Number.parseInt(version) < 23 ? ['setuptools<81'] : [])],
    wanted,
  );

/** With the last uvicorn that has gunicorn's worker class in it, and what a WebSocket needs. */
export const fastapiSite = (): Promise<string> =>
  site('fastapi-0.115.12', ['fastapi==0.115.12', 'uvicorn==0.34.3', 'websockets==15.0.1']);
