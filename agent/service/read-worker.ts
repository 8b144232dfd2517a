/**
 * Reads what /proc shows of a process only to its own uid. Root with Docker's default capabilities (no SYS_PTRACE) may
 * not read `/proc/PID/{environ,exe,cwd,fd}` of another uid; a helper process of that uid may. The helper is the agent's
 * own bundle, executed again.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { readInner, type Inner } from './inner.ts';
import { ownerOf } from './procfs.ts';

const innerSchema: z.ZodType<Inner> = z.object({
  exe: z.string(),
  cwd: z.string(),
  environ: z.record(z.string(), z.string()),
  sockets: z.array(z.string()),
  /** When a gunicorn worker beat last, epoch milliseconds; null for others. */
  heartbeat: z.number().nullable(),
});

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
