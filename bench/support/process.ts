/** What a process costs, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from './scene.ts';

/** Linux counts a process's time in hundredths of a second, whatever its own clock (proc(5), USER_HZ). */
const TICKS = 100;

/** Time on a core, in user mode and in the kernel. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}

/** The agent's daemon in the scene's container, as this machine numbers it. */
export function agentPid({ inside }: Scene): number {
  const space = readFileSync(join(inside, '..', 'cgroup'), 'utf8');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (words.includes('--ready-fd') && readFileSync(`/proc/${pid}/cgroup`, 'utf8') === space) return Number(pid);
    } catch {
      // it has ended
    }
  }
  throw new Error('no agent runs in the container');
}
