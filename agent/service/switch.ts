/** Makes the service run the code on disk: HUP to gunicorn's master, or a restart by runit, and waits for new workers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { findMaster, orphansOf, processKey, workersOf, type Seen } from './find.ts';
import { isAlive, processes, type Process } from './procfs.ts';
import { sendSignal, type Self } from './read-worker.ts';
import { control, supervised } from './runit.ts';

/** How often /proc is looked at while workers change. A look takes about 1 ms. */
const LOOK_MS = 10;
/** A service that is still down this long after `u` ended at once. */
const START_MS = 1_500;
/** Given to a worker without a master to finish its request. */
const ORPHAN_MS = 5_000;

/** Says why the switch did not happen; null when it did. */
export type SwitchProblem = string | null;

/** The master ended before it had started a worker: it was ending already, which says nothing of the code. */
export const ENDED = Symbol('ended');

/** Ends when no old worker lives and new ones do, or the master is gone, or the deadline has passed. */
export async function hangUp(
  master: Process,
  old: readonly Process[],
  deadlineMs: number,
  self: Self,
): Promise<SwitchProblem | typeof ENDED> {
  await sendSignal(master.pid, 'SIGHUP', self);
  const former = new Set(old.map(processKey));
  const end = Date.now() + deadlineMs;
  let began = false;
  while (Date.now() < end) {
    await sleep(LOOK_MS);
    if (!isAlive(master)) return began ? 'gunicorn ended while it started the new worker' : ENDED;
    const now = workersOf(master, processes());
    began ||= now.some((worker) => !former.has(processKey(worker)));
    if (now.length > 0 && now.every((worker) => !former.has(processKey(worker)))) return null;
  }
  return `the old workers did not end within ${deadlineMs / 1000} s`;
}

export interface RestartOptions {
  /** Keys of all workers ever seen. */
  readonly known: Seen;
  readonly deadlineMs: number;
  readonly self: Self;
  readonly isGunicorn: boolean;
  /** Whether its finish script is held, so that its end ends nothing else. */
  readonly held: boolean;
}

/** Stops the service where it still runs, and starts it. Workers left without a master would hold the port: they go first. */
export async function restart(
  folder: string,
  master: Process | null,
  { known, deadlineMs, self, isGunicorn, held }: RestartOptions,
): Promise<SwitchProblem> {
  const end = Date.now() + deadlineMs;
  // Down for good first: a `u` that comes before runsv has seen the end would be taken back by the held finish script,
  // which asks for `down`. Without that script nothing may be ended, and only what is not up is told to start.
  if (held) await control(folder, 'd');
  const isUp = (stat: string): boolean => stat.startsWith('finish') || (held && stat.startsWith('run'));
  while ((master !== null && isAlive(master)) || isUp(supervised(folder) ?? '')) {
    if (Date.now() > end) return `the service did not end within ${deadlineMs / 1000} s of SIGTERM`;
    await sleep(LOOK_MS);
  }
  await endOrphans(known, self);
  await control(folder, 'u');
  const asked = Date.now();
  let ran = false;
  while (Date.now() < end) {
    await sleep(LOOK_MS);
    const stat = supervised(folder) ?? '';
    if (stat.startsWith('run')) ran = true;
    else if (stat.startsWith('down') && (ran || Date.now() > asked + START_MS)) {
      return 'the service ended while it started';
    }
    if (!isGunicorn) {
      if (ran || stat === '') return null; // whether it comes up is seen by its answer
      continue;
    }
    const all = processes();
    const next = findMaster(all, known);
    if (next !== null && workersOf(next, all).length > 0) return null;
  }
  return `the service did not start within ${deadlineMs / 1000} s`;
}

async function endOrphans(known: Seen, self: Self): Promise<void> {
  const patience = Date.now() + ORPHAN_MS;
  const asked = new Set<string>();
  for (;;) {
    const orphans = orphansOf(processes(), known);
    if (orphans.length === 0) return;
    for (const orphan of orphans) {
      if (asked.has(processKey(orphan)) && Date.now() < patience) continue;
      asked.add(processKey(orphan));
      await sendSignal(orphan.pid, Date.now() < patience ? 'SIGTERM' : 'SIGKILL', self).catch(() => undefined);
    }
    if (Date.now() > patience + ORPHAN_MS) return;
    await sleep(LOOK_MS);
  }
}
