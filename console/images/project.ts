/** A project on this machine, and the words of the command line, as the options of a build. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { BuildImageOptions, ModelSource } from './build.ts';
import { readDownloads } from './downloads.ts';
import { readRequirements } from './requirements.ts';

export interface BuildFlags {
  readonly entry?: string;
  /** requirements.txt of the project when neither this nor `conda` is given. */
  readonly requirements?: string;
  readonly conda?: string;
  /** `NAME[:VERSION]=PATH` */
  readonly model?: readonly string[];
  readonly steps?: string | readonly string[];
  readonly dependency?: readonly string[];
  readonly base?: string;
  /** `root`, or a number. */
  readonly user?: string;
  readonly tag?: string;
  readonly force?: boolean;
}

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Paths count from the working folder, and from the project where nothing is there. */
export async function readBuildOptions(
  dir: string,
  flags: BuildFlags,
  { cwd, env }: Surroundings,
): Promise<BuildImageOptions> {
  const project = resolve(cwd, dir);
  const find = async (path: string) =>
    (await exists(resolve(cwd, path))) ? resolve(cwd, path) : resolve(project, path);
  const [packages, models, dependencies, steps, downloads] = await Promise.all([
    readPackages(project, flags, find),
    Promise.all((flags.model ?? []).map((text) => parseModel(text, find))),
    Promise.all((flags.dependency ?? []).map(async (path) => ({ name: basename(path), path: await find(path) }))),
    Promise.all(
      [flags.steps ?? []].flat().map(async (name) => ({ name, text: await read(await find(name), '--steps') })),
    ),
    readDownloads(env),
  ]);
  return {
    dir: project,
    entry: entryPath(project, flags.entry ?? 'score.py'),
    packages,
    models,
    dependencies,
    steps,
    uid: parseUser(flags.user ?? '1000'),
    tag: flags.tag ?? 'debug:1',
    downloads,
    ...(flags.base === undefined ? {} : { base: flags.base }),
    ...(flags.force === true ? { force: true } : {}),
  };
}

async function readPackages(
  project: string,
  { requirements, conda }: BuildFlags,
  find: (path: string) => Promise<string>,
): Promise<BuildImageOptions['packages']> {
  if (requirements !== undefined && conda !== undefined) {
    throw new DrydockError('usage', '--requirements and --conda exclude each other.', { hint: 'Give one of them.' });
  }
  if (conda !== undefined) return { kind: 'conda', text: await read(await find(conda), '--conda') };
  if (requirements !== undefined) return { kind: 'pip', text: await readRequirements(await find(requirements)) };
  const own = join(project, 'requirements.txt');
  return (await exists(own)) ? { kind: 'pip', text: await readRequirements(own) } : null;
}

async function parseModel(text: string, find: (path: string) => Promise<string>): Promise<ModelSource> {
  const [, name, version = '1', path] = /^([A-Za-z0-9][\w.-]*)(?::(\d+))?=(.+)$/.exec(text) ?? [];
  if (name === undefined || path === undefined) {
    throw new DrydockError('usage', `“${text}” names no model.`, {
      hint: 'Give --model NAME[:VERSION]=PATH, such as --model diabetes:2=model.pkl; the version is a whole number.',
    });
  }
  return { name, version: Number(version), path: await find(path) };
}

function entryPath(project: string, entry: string): string {
  const path = relative(project, resolve(project, entry));
  if (path === '' || path.startsWith('..')) {
    throw new DrydockError('usage', `The entry script ${entry} lies outside of ${project}.`, {
      hint: 'Name the folder that holds all of the project, and the script in it: drydock build DIR --entry src/score.py',
    });
  }
  return path.split(sep).join('/');
}

function parseUser(user: string): number {
  if (user === 'root') return 0;
  if (/^\d{1,6}$/.test(user)) return Number(user);
  throw new DrydockError('usage', `--user takes root or a number, not “${user}”.`, {
    hint: 'Azure’s newer images use 1000.',
  });
}

async function read(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new DrydockError('usage', `${flag}: ${file} cannot be read.`, { hint: 'Check the path.', cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
