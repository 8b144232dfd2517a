/** A service folder of runit as runsv(8) documents it: `run`, `finish`, `supervise/{control,stat}`. */
import { constants, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Process } from './procfs.ts';
import { readProcess, type Self } from './read-worker.ts';

/** The kit's launch.sh does for the command of an image without runit what runsv does for a service. */
const LAUNCHER = '/opt/drydock/launch.sh';
export const LAUNCH_FOLDER = 'drydock-launch-';

const isLauncher = ({ argv }: Process): boolean => argv[1] === LAUNCHER;

export const isLaunchFolder = (folder: string): boolean => basename(folder).startsWith(LAUNCH_FOLDER);

export const isRunsv = (process: Process): boolean =>
  basename(process.argv[0] ?? '') === 'runsv' || isLauncher(process);

/** The folder of a runsv process: its working folder, or where the runsvdir above it looks. */
export async function serviceFolder(
  runsv: Process,
  all: ReadonlyMap<number, Process>,
  self: Self,
): Promise<string | null> {
  const inner = await readProcess(runsv.pid, self);
  if (inner !== null) return inner.cwd;
  const above = all.get(runsv.ppid)?.argv ?? [];
  const folder = above.slice(1).find((word) => word.startsWith('/'));
  const name = runsv.argv[1];
  return folder === undefined || name === undefined ? null : resolve(folder, name);
}

/** The service among several that runs the scoring server: by its name, or by what its `run` starts. */
export function pickScoring(folders: readonly string[]): string | null {
  const run = (folder: string): string => {
    try {
      return readFileSync(join(folder, 'run'), 'utf8');
    } catch {
      return '';
    }
  };
  return (
    folders.find((folder) => basename(folder) === 'gunicorn') ??
    folders.find(isLaunchFolder) ??
    folders.find((folder) => /\b(azmlinfsrv|gunicorn|uvicorn|mlflow)\b/.test(run(folder))) ??
    null
  );
}

/** `u` up · `d` down · `t` TERM · `h` HUP. Rejects when runsv does not run or its control may not be written. */
export async function control(folder: string, command: 'u' | 'd' | 't' | 'h'): Promise<void> {
  const pipe = await open(join(folder, 'supervise/control'), constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    await pipe.write(`${command}\n`); // runsv takes each character for itself and knows no newline; launch.sh reads up to it
  } finally {
    await pipe.close();
  }
}

/** `run`, `down`, `finish`, with what is wanted behind it; null when it may not be read. */
export function supervised(folder: string): string | null {
  try {
    return readFileSync(join(folder, 'supervise/stat'), 'utf8').trim();
  } catch {
    return null;
  }
}
