/**
 * Brings the hook into a gunicorn that runs, without restarting anything: HUP makes the master execute its configuration
 * file again (`gunicorn.conf.py` in its working folder, or `-c FILE`), and for that moment the file is ours. The hook then
 * makes that reload neither start nor end a worker (agent/hook/python/drydock_hook/inject.py; gunicorn 19.9 to 27).
 */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseGunicorn } from '../service/gunicorn.ts';
import type { Process } from '../service/procfs.ts';
import { isAlive } from '../service/procfs.ts';
import { sendSignal, type Self } from '../service/read-worker.ts';
import type { WorkerContext } from '../service/worker.ts';
import { isWithin } from '../service/root.ts';
import { hide } from '../hidden.ts';
import { HookChannel } from './channel.ts';

const ASK_MS = 5;
/** A master that is busy, with a slow request of gunicorn 27's HUP for one. */
const DEADLINE_MS = 10_000;
const BESIDE = '.drydock-original';

export interface InjectOptions {
  readonly master: Process;
  readonly worker: WorkerContext;
  /** Folder of the hook's Python. */
  readonly hookDir: string;
  readonly build: string;
  readonly self: Self;
  /** The folder that is synchronised: a configuration of the user's in it is not touched, not even for a moment. */
  readonly root: string;
}

export type Injection = { readonly channel: HookChannel } | { readonly why: string };

export async function inject({ master, worker, hookDir, build, self, root }: InjectOptions): Promise<Injection> {
  const file = configFile(worker);
  if (typeof file !== 'string') return file;
  if (isWithin(file, root) && existsSync(file)) {
    return { why: `${file} is the project's own: it would have to be changed for a moment` };
  }
  const unhide = hide(file);
  let undo: (() => void) | null = null;
  try {
    undo = substitute(file, hookDir);
    await sendSignal(master.pid, 'SIGHUP', self);
    const end = Date.now() + DEADLINE_MS;
    while (Date.now() < end && isAlive(master)) {
      const channel = await HookChannel.open(master.pid, build);
      if (channel !== null) return { channel };
      await sleep(ASK_MS);
    }
    return { why: `gunicorn's master ${master.pid} did not take the hook in` };
  } catch (error) {
    return { why: `${file} can't be written for a moment: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    undo?.();
    unhide();
  }
}

/** What a HUP would execute. */
function configFile(worker: WorkerContext): string | { readonly why: string } {
  if (worker.server === 'other') return { why: 'the service is not gunicorn' };
  if (worker.server === 'azmlinfsrv') return join(worker.cwd, 'gunicorn.conf.py');
  const { chdir, config } = parseGunicorn(worker.command.args);
  const given =
    config ?? parseGunicorn((worker.environ['GUNICORN_CMD_ARGS'] ?? '').split(/\s+/).filter(Boolean)).config;
  if (given === undefined) return join(resolve(worker.cwd, chdir ?? '.'), 'gunicorn.conf.py');
  if (given.startsWith('python:')) return { why: `gunicorn's configuration is the module ${given.slice(7)}` };
  return resolve(worker.cwd, given.replace(/^file:/, ''));
}

/** Puts our file in the place of the one that is there, or of none. Returns the way back. */
function substitute(file: string, hookDir: string): () => void {
  const original = lstatSync(file, { throwIfNoEntry: false });
  const ours = configText(original === undefined ? '' : readFileSync(file, 'utf8'), hookDir);
  const kept = file + BESIDE;
  if (original !== undefined) renameSync(file, kept); // renamed, not copied: its attributes survive
  const undo = (): void => (original === undefined ? rmSync(file, { force: true }) : renameSync(kept, file));
  try {
    writeFileSync(file, ours, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    undo();
    throw error;
  }
  return undo;
}

/** Puts back what an agent that was killed left. */
export function restoreConfig(worker: WorkerContext): void {
  const file = configFile(worker);
  if (typeof file !== 'string') return;
  if (existsSync(file + BESIDE)) renameSync(file + BESIDE, file);
  else if (existsSync(file) && readFileSync(file, 'utf8').startsWith(MARK)) rmSync(file);
}

const MARK = '# Drydock: for a moment only.\n';

/** The user's own configuration counts as before. */
function configText(original: string, hookDir: string): string {
  const inject = readFileSync(join(hookDir, 'drydock_hook', 'inject.py'), 'utf8');
  return `${MARK}_drydock_folder = ${JSON.stringify(hookDir)}\n${inject}\n${original}`;
}
