/** The container's memory is the service's: what keeps the daemon small. Its tree of 20,000 files takes 17 MB. */
import type { AgentPlace } from './place.ts';

/** V8 lets new objects fill three times 16 MB before it looks for garbage. */
const FLAGS = ['--max-semi-space-size=2', '--expose-gc'];
/** glibc gives freed memory back to the system where each large piece was mapped for itself (mallopt(3)). */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '1' };
/** Milliseconds of rest after which garbage is given back. */
const QUIET = 2_000;

/** For a process that runs `argv` of the bundle. */
export function leanProcess(place: AgentPlace, argv: readonly string[]): { args: string[]; env: NodeJS.ProcessEnv } {
  return { args: [...FLAGS, place.bundle, ...argv], env: { ...process.env, ...MALLOC } };
}

/** What was read at the start is not for the processes that are started from here. */
export function hideLeanness(): void {
  for (const name of Object.keys(MALLOC)) Reflect.deleteProperty(process.env, name);
}

let timer: NodeJS.Timeout | null = null;

/** After work that left much garbage: it is given back once it is quiet, since looking for it stops everything for some 20 ms. */
export function shedSoon(): void {
  if (timer !== null) timer.refresh();
  else timer = setTimeout(() => globalThis.gc?.(), QUIET).unref();
}
