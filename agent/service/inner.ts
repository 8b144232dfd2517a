/** What /proc shows of a process only to its own uid, and the helper of that uid that reads it (see read-worker.ts). */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { parseEnviron } from './procfs.ts';

export interface Inner {
  readonly exe: string;
  readonly cwd: string;
  readonly environ: Readonly<Record<string, string>>;
  /** Inodes of its open sockets. */
  readonly sockets: readonly string[];
}

export function readInner(pid: number): Inner {
  const descriptors = readdirSync(`/proc/${pid}/fd`);
  const sockets = descriptors.flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // closed meanwhile
    }
  });
  return {
    exe: readlinkSync(`/proc/${pid}/exe`),
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    environ: parseEnviron(readFileSync(`/proc/${pid}/environ`, 'utf8')),
    sockets,
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
