/**
 * Brings the hook into a gunicorn that runs, without restarting anything: HUP makes the master execute its configuration
 * file again (`gunicorn.conf.py` in its working folder, or `-c FILE`), and for that moment the file is ours. The hook then
 * makes that reload neither start nor end a worker (agent/hook/python/drydock_hook/inject.py; gunicorn 19.9 to 27).
 */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { isAbsolute, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunicornSettings, parseGunicorn } from '../service/gunicorn.ts';
import type { Process } from '../service/procfs.ts';
import { isAlive } from '../service/procfs.ts';
import { sendSignal, type Self } from '../service/read-worker.ts';
import { titleCommand, type WorkerContext } from '../service/worker.ts';
import { isWithin } from '../service/root.ts';
import { hide } from '../hidden.ts';
import { HookChannel, socketName } from './channel.ts';
import { readSources } from './first-copy.ts';

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
  const file = configFile(master, worker);
  if (typeof file !== 'string') return file;
  if (isWithin(file, root) && existsSync(file)) {
    return { why: `${file} is the project's own: it would have to be changed for a moment` };
  }
  const served = await readSources(root);
  const refusal = await Refusal.listen(master.pid);
  const unhide = hide(file);
  let undo: (() => void) | null = null;
  try {
    undo = substitute(file, hookDir, refusal.name);
    await sendSignal(master.pid, 'SIGHUP', self);
    const end = Date.now() + DEADLINE_MS;
    while (Date.now() < end && isAlive(master)) {
      const channel = await HookChannel.open(master.pid, build);
      if (channel !== null) {
        if (served !== null) channel.say({ do: 'copy', files: served });
        return { channel };
      }
      if (refusal.why !== null) return { why: `the hook stays out: ${refusal.why}` };
      await sleep(ASK_MS);
    }
    return { why: `gunicorn's master ${master.pid} did not take the hook in` };
  } catch (error) {
    return { why: `${file} can't be written for a moment: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    refusal.close();
    undo?.();
    unhide();
  }
}

/** Where the master tells why it does not take the hook in. */
class Refusal {
  readonly name: string;
  why: string | null = null;
  readonly #server = createServer((peer) => {
    peer.setEncoding('utf8').on('error', () => undefined);
    peer.once('data', (why: string) => {
      this.why = why;
      peer.destroy();
    });
  });

  private constructor(name: string) {
    this.name = name;
  }

  static async listen(masterPid: number): Promise<Refusal> {
    const path = `${socketName(masterPid)}-refusal`;
    const refusal = new Refusal(path.slice(1));
    await new Promise<void>((done, fail) => refusal.#server.once('error', fail).listen(path, done));
    return refusal;
  }

  close(): void {
    this.#server.close();
  }
}

/**
 * What a HUP would execute. Where that is not certain there must be no HUP: it would be a bare one, and load code that
 * nobody has tried.
 *
 * gunicorn first goes back to the folder that it was started in, looks for the file there, and then to `--chdir`
 * (`Application.load_config`, 19.9 to 27).
 */
export function configFile(master: Process, worker: WorkerContext): string | { readonly why: string } {
  const { server, command, environ, cwd } = worker;
  if (server === 'other') return { why: 'the service is not gunicorn' };
  if (titleCommand(master, '') !== null) {
    return { why: `the title of process ${master.pid} hides its command line, which may name a configuration file` };
  }
  const line = parseGunicorn(server === 'azmlinfsrv' ? [] : command.args);
  const env = parseGunicorn((environ['GUNICORN_CMD_ARGS'] ?? '').split(/\s+/).filter(Boolean));
  const given = (line.config ?? env.config ?? 'gunicorn.conf.py').replace(/^file:/, '');
  if (given.startsWith('python:')) return { why: `gunicorn's configuration is the module ${given.slice(7)}` };
  if (isAbsolute(given)) return given;
  const chdir = line.chdir ?? env.chdir ?? gunicornSettings(command, environ, cwd).chdir;
  const start = environ['PWD'] === undefined ? cwd : resolve(environ['PWD']);
  if (start === cwd && chdir === undefined) return resolve(cwd, given);
  // PWD is what a shell left there, so it has to be proven: by the way from it to where gunicorn is now.
  if (chdir !== undefined && !isAbsolute(chdir) && resolve(start, chdir) === cwd) return resolve(start, given);
  if (chdir === undefined && !existsSync(resolve(start, given))) return resolve(cwd, given);
  return {
    why: `gunicorn has gone from the folder that it was started in to ${cwd}, and which that was is not certain`,
  };
}

/** Puts our file in the place of the one that is there, or of none. Returns the way back. */
function substitute(file: string, hookDir: string, refusal: string): () => void {
  const original = lstatSync(file, { throwIfNoEntry: false });
  const kept = file + BESIDE;
  const ours = configText(original === undefined ? null : kept, hookDir, refusal);
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
export function restoreConfig(master: Process, worker: WorkerContext): void {
  const file = configFile(master, worker);
  if (typeof file !== 'string') return;
  if (existsSync(file + BESIDE)) renameSync(file + BESIDE, file);
  else if (existsSync(file) && readFileSync(file, 'utf8').startsWith(MARK)) rmSync(file);
}

const MARK = '# Drydock: for a moment only.\n';

/** `original` is where the user's own configuration lies meanwhile. */
function configText(original: string | null, hookDir: string, refusal: string): string {
  const inject = readFileSync(join(hookDir, 'drydock_hook', 'inject.py'), 'utf8');
  const place = original === null ? 'None' : JSON.stringify(original);
  const names = `_drydock_folder = ${JSON.stringify(hookDir)}\n_drydock_refusal = ${JSON.stringify(refusal)}\n`;
  return `${MARK}${names}_drydock_original = ${place}\n${inject}`;
}
