/** A process whose parent never asks what became of it, as the first process of many containers does not. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { until } from './live.ts';

export interface Unreaped extends Disposable {
  readonly pid: number;
  readonly stdout: Readable;
  /** Resolves when it is a zombie. */
  kill(): Promise<void>;
}

export async function unreaped(...argv: readonly string[]): Promise<Unreaped> {
  const line = '"$@" & echo $! >&3; exec sleep 1000';
  const parent: ChildProcess = spawn('sh', ['-c', line, 'sh', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  const [told] = (await once(parent.stdio[3] as Readable, 'data')) as [Buffer];
  const pid = Number(told);
  return {
    pid,
    stdout: parent.stdout as Readable,
    kill: () => {
      process.kill(pid, 'SIGKILL');
      return until('it is a zombie', () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    },
    [Symbol.dispose]: () => void parent.kill('SIGKILL'),
  };
}
