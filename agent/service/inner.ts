/** What /proc shows of a process only to its own uid, and the helper of that uid that reads it (see read-worker.ts). */
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { parseEnviron } from './procfs.ts';

export interface Inner {
  readonly exe: string;
  readonly cwd: string;
  readonly environ: Readonly<Record<string, string>>;
  /** Inodes of its open sockets. */
  readonly sockets: readonly string[];
  /** When a gunicorn worker beat last, epoch milliseconds; null for others. */
  readonly heartbeat: number | null;
}

export function readInner(pid: number): Inner {
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

const isSignal = (text: string): text is NodeJS.Signals => text in constants.signals;

/** The helper's side, `read-worker PID [SIGNAL]`: prints what it read as JSON, or sends the signal. */
export function readWorkerMain(argv: readonly string[]): Promise<void> {
  const pid = Number(argv[0]);
  const signal = argv[1];
  if (signal === undefined) process.stdout.write(JSON.stringify(readInner(pid)));
  else if (isSignal(signal)) process.kill(pid, signal);
  return Promise.resolve();
}
