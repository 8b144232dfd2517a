/**
 * Reads what /proc shows of a process only to its own uid. Root with Docker's default capabilities (no SYS_PTRACE) may
 * not read `/proc/PID/{environ,exe,cwd,fd}` of another uid; a helper process of that uid may. The helper is the agent's
 * own bundle, executed again.
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ownerOf, parseEnviron } from './procfs.ts';

const innerSchema = z.object({
  exe: z.string(),
  cwd: z.string(),
  environ: z.record(z.string(), z.string()),
  /** Inodes of its open sockets. */
  sockets: z.array(z.string()),
  /** When a gunicorn worker beat last, epoch milliseconds; null for others. */
  heartbeat: z.number().nullable(),
});

export type Inner = z.infer<typeof innerSchema>;

function readInner(pid: number): Inner {
  const sockets: string[] = [];
  let heartbeat: number | null = null;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const file = readlinkSync(`/proc/${pid}/fd/${fd}`);
      const socket = /^socket:\[(\d+)\]$/.exec(file)?.[1];
      if (socket !== undefined) sockets.push(socket);
      // A worker beats by changing the mode or the times of its own unlinked file (gunicorn/workers/workertmp.py).
      if (/\/wgunicorn-[^/]*$/.test(file)) heartbeat = Math.round(statSync(`/proc/${pid}/fd/${fd}`).ctimeMs);
    } catch {
      // closed meanwhile
    }
  }
  return {
    exe: readlinkSync(`/proc/${pid}/exe`),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    environ: parseEnviron(readFileSync(`/proc/${pid}/environ`, 'utf8')),
    sockets,
    heartbeat,
  };
}

/** A command line that executes the agent's bundle again, without the verb. */
export type Self = readonly [string, ...string[]];

async function asOwner(self: Self, pid: number, args: readonly string[]): Promise<string> {
  const owner = ownerOf(pid);
  if (owner === null) throw new Error(`process ${pid} is gone`);
  const [file, ...rest] = self;
  const { stdout } = await promisify(execFile)(file, [...rest, 'read-worker', String(pid), ...args], {
    ...owner,
    cwd: '/',
    env: {},
    maxBuffer: 4 * 1024 * 1024,
  });
  return stdout;
}

const isOurs = (pid: number): boolean => ownerOf(pid)?.uid === process.geteuid?.();

/** Null when neither this process nor a helper of the process's uid may read it, or it is gone. */
export async function readProcess(pid: number, self: Self): Promise<Inner | null> {
  try {
    return readInner(pid);
  } catch {
    if (isOurs(pid)) return null;
  }
  try {
    return innerSchema.parse(JSON.parse(await asOwner(self, pid, [])));
  } catch {
    return null;
  }
}

/** Sends a signal, by a helper of the process's uid where ours may not (root without KILL). Throws when nobody may. */
export async function sendSignal(pid: number, signal: NodeJS.Signals, self: Self): Promise<void> {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM') || isOurs(pid)) throw error;
    await asOwner(self, pid, [signal]);
  }
}

const isSignal = (text: string): text is NodeJS.Signals => text in constants.signals;

/** The helper's side, `read-worker PID [SIGNAL]`: prints what it read as JSON, or sends the signal. */
export function readWorkerMain(argv: readonly string[]): Promise<void> {
  const pid = Number(argv[0]);
  const signal = argv[1];
  if (signal === undefined) process.stdout.write(JSON.stringify(readInner(pid)));
  else if (isSignal(signal)) process.kill(pid, signal);
  return Promise.resolve();
}
