/** The container's memory as its control group tells it, version 1 and 2 (kernel: admin-guide/cgroup-v1/memory, cgroup-v2). */
import { existsSync, readFileSync } from 'node:fs';

export interface MemoryState {
  /** Processes of this container that the kernel has killed for memory so far; null where it does not say. */
  readonly kills: number | null;
  /** Bytes; null where there is no limit. */
  readonly limit: number | null;
}

const ROOT = '/sys/fs/cgroup';
/** Version 1 writes "no limit" as the largest multiple of a page below 2^63. */
const NO_LIMIT = 2 ** 62;

export function readMemory(root: string = ROOT): MemoryState {
  const events = read(`${root}/memory.events`) ?? read(`${root}/memory/memory.oom_control`);
  const limit = read(`${root}/memory.max`) ?? read(`${root}/memory/memory.limit_in_bytes`);
  return { kills: parseKills(events ?? ''), limit: parseLimit(limit ?? '') };
}

/** `oom_kill N`; kernels before 4.13 don't have it. */
function parseKills(text: string): number | null {
  const kills = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return kills === undefined ? null : Number(kills);
}

function parseLimit(text: string): number | null {
  const bytes = /^\d+$/.test(text.trim()) ? Number(text) : NaN;
  return bytes < NO_LIMIT ? bytes : null;
}

/** Bytes that the container may still take, files that the kernel can drop counted in; null without a limit. */
export function availableMemory(root: string = ROOT): number | null {
  const { limit } = readMemory(root);
  const used = read(`${root}/memory.current`) ?? read(`${root}/memory/memory.usage_in_bytes`);
  const stat = read(`${root}/memory.stat`) ?? read(`${root}/memory/memory.stat`) ?? '';
  if (limit === null || used === null) return null;
  const droppable = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  return Math.max(0, limit - Number(used) + droppable);
}

/** Bytes that a process holds in memory; null when it is gone. */
export function residentOf(pid: number): number | null {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

function read(path: string): string | null {
  if (!existsSync(path)) return null; // an error, which half of these are, would take ten times as long
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
