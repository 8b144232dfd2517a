/** The container's memory is the service's: what keeps the daemon small. Its tree of 20,000 files takes 17 MB. */
import { readFileSync } from 'node:fs';
import { loadLibc } from '../shared/native/libc.ts';
import type { AgentPlace } from './place.ts';

/** V8 lets new objects fill three times 16 MB before it looks for garbage. */
const FLAGS = ['--max-semi-space-size=2', '--expose-gc'];
/** glibc gives freed memory back to the system where each large piece was mapped for itself (mallopt(3)). */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '1' };
/** Milliseconds of rest after which what is not needed is given back. */
const QUIET = 3_000;

/** For a process that runs `argv` of the bundle. */
export function leanProcess(place: AgentPlace, argv: readonly string[]): { args: string[]; env: NodeJS.ProcessEnv } {
  return { args: [...FLAGS, place.bundle, ...argv], env: { ...process.env, ...MALLOC } };
}

/** What was read at the start is not for the processes that are started from here. */
export function hideLeanness(): void {
  for (const name of Object.keys(MALLOC)) Reflect.deleteProperty(process.env, name);
}

let timer: NodeJS.Timeout | null = null;
let hasGarbage = false;

/**
 * After work, once it is quiet: the pages of Node's own program, and the garbage where there is `much` of it, since
 * looking for it stops everything for some 50 ms.
 */
export function shedSoon(much: boolean): void {
  hasGarbage ||= much;
  if (timer !== null) timer.refresh();
  // A system without smaps (gVisor), or memory that is locked: what cannot be given back stays, and harms nobody.
  else timer = setTimeout(() => void shed().catch(() => undefined), QUIET).unref();
}

async function shed(): Promise<void> {
  // The last resort forgets compiled code and lookups as well: 25 MB with 20,000 files.
  if (hasGarbage) globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  hasGarbage = false;
  const madvise = (await loadLibc())?.of('int madvise(uint64_t address, size_t length, int advice)');
  if (madvise !== undefined) for (const { from, size } of ownProgram()) madvise(from, size, MADV_DONTNEED);
}

/** madvise(2): the pages of a file that is mapped are read again, from the page cache, when they are used again. */
const MADV_DONTNEED = 4;

/**
 * Where Node's own program lies in memory, its code and its constants: 45 MB by now of what only the start needed. What
 * the loader wrote into, which could not be read again, counts as anonymous (proc(5), smaps).
 */
function* ownProgram(): Generator<{ readonly from: bigint; readonly size: bigint }> {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  for (const mapping of mappings) {
    const [, from, to, permissions, path] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ +(.+)$/m.exec(mapping) ?? [];
    if (path !== process.execPath || permissions?.[1] === 'w' || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    yield { from: BigInt(`0x${from}`), size: BigInt(`0x${to}`) - BigInt(`0x${from}`) };
  }
}
