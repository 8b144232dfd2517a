/** One attempt to make the code on disk serve: try it, switch, wait for the first answer. */
import type { GateResult, PythonFailure, ReloadStage, ReloadWay, ServiceState } from '../../shared/core/service.ts';
import { boot } from './boot.ts';
import { dropStale, movedSince, type SourceMarks } from './bytecode.ts';
import type { FoundService, Seen } from './find.ts';
import type { Self } from './read-worker.ts';
import { LastGood } from './last-good.ts';
import { ENDED, hangUp, restart } from './switch.ts';
import type { WorkerContext } from './worker.ts';

export interface Attempt {
  readonly worker: WorkerContext;
  /** Keys of all workers ever seen. */
  readonly known: Seen;
  readonly root: string;
  readonly python: string;
  readonly self: Self;
  readonly deadlineMs: number;
  /** Sources as the last attempt saw them. */
  readonly marks: SourceMarks;
  /** Aborts while the code is being tried; ignored once the switch has begun. */
  readonly signal: AbortSignal;
  /** Looks for sources that moved while they were tried. */
  readonly strict: boolean;
  /** HUP is not enough: the master itself holds what is to be loaded anew. */
  readonly restart: boolean;
  readonly onPhase: (phase: ServiceState['phase']) => void;
  readonly onPreload: (preload: boolean) => void;
  /** The service as it is now, and whether `finish` is held: without it nothing is restarted. */
  readonly find: () => Promise<{ readonly found: FoundService; readonly held: boolean }>;
  /** Asks the health path until it answers. */
  readonly answer: (deadlineMs: number) => Promise<ServiceState['health']>;
  readonly lastGood: LastGood;
  readonly log: (text: string) => void;
}

export interface AttemptOutcome {
  readonly ok: boolean;
  readonly stage: ReloadStage;
  readonly stages: readonly { readonly name: ReloadStage; readonly ms: number }[];
  readonly error?: PythonFailure;
  readonly output: string;
  readonly marks: SourceMarks;
  readonly way: ReloadWay;
  readonly gate?: GateResult;
  readonly exclusive?: boolean;
  readonly needs?: 'container-restart';
}

/** Why a service that runs can't be made to load new code; null when it can. */
export function whyNotReloadable(found: FoundService, worker: WorkerContext | null, preload: boolean): string | null {
  if (found.master !== null && worker === null) {
    return `the service's process ${found.master.pid} can't be read: run the agent as the service's user or as root`;
  }
  if (found.supervisor === 'runit') return null;
  if (worker === null) return 'no scoring service was found';
  const where = found.supervisor === 'pid1' ? 'is PID 1' : 'has no supervisor';
  const end = found.supervisor === 'pid1' ? 'a restart ends the container' : 'nothing would start it again';
  if (worker.server === 'other') return `the service ${where} and is not gunicorn: ${end}`;
  return preload ? `gunicorn ${where} and runs with --preload, so that HUP loads no new code: ${end}` : null;
}

/** Resolves with null when the code moved while it was tried: what was tried is not what would be loaded. */
export async function attemptReload(attempt: Attempt): Promise<AttemptOutcome | null> {
  const { worker, root, python, deadlineMs, signal } = attempt;
  const stale = await dropStale(root, attempt.marks, worker.env['PYTHONPYCACHEPREFIX']);
  if (stale.kept.length > 0) attempt.log(`stale bytecode that can't be removed: ${stale.kept.join(', ')}`);
  const tried = await boot(worker, { python, root, deadlineMs, signal });
  if (tried === null) return null;
  const base = { output: tried.output, marks: stale.marks, way: 'trial' } as const;
  if (tried.error !== undefined) {
    return { ...base, ok: false, stage: tried.stage, stages: tried.stages, error: tried.error };
  }
  const preload = tried.gunicorn?.preload === true;
  attempt.onPreload(preload);
  const { found, held } = await attempt.find();
  const moved = attempt.strict && (await movedSince(stale.marks, tried.files)) !== null;
  if (moved || signal.aborted) return null;

  const stages = [...tried.stages];
  const timed = async <T>(name: ReloadStage, work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    try {
      return await work();
    } finally {
      stages.push({ name, ms: performance.now() - from });
    }
  };
  const failed = (stage: ReloadStage, message: string, hint: string): AttemptOutcome => ({
    ...base,
    ok: false,
    stage,
    stages,
    error: { type: 'NotSwitched', message, traceback: message, frames: [], hint },
  });

  const cannot = whyNotReloadable(found, worker, preload);
  if (cannot !== null) {
    const refused = failed('switch', cannot, 'the code is good: start the container again to serve it');
    return found.supervisor === 'pid1' ? { ...refused, needs: 'container-restart' } : refused;
  }
  attempt.onPhase('switching');
  const problem = await timed('switch', () => makeSwitch(attempt, { found, held }, preload));
  const hint = 'look at the log for what it says; reload again when the cause is mended';
  if (problem !== null) return failed('switch', `${problem}; ${await goBack(attempt)}`, hint);
  attempt.onPhase('answering');
  const health = await timed('answer', () => attempt.answer(deadlineMs));
  if (health === 'healthy' || health === 'unknown') {
    await attempt.lastGood.keep(tried.files);
    return { ...base, ok: true, stage: 'answer', stages };
  }
  return failed('answer', `the new worker is ${health}; ${await goBack(attempt)}`, hint);
}

/** Code that failed after a good trial: what served before is started instead. In words, how that went. */
async function goBack(attempt: Attempt): Promise<string> {
  const { worker, root, known, deadlineMs, self, lastGood } = attempt;
  const { found, held } = await attempt.find();
  const { folder, master } = found;
  if (folder === null || !held || !lastGood.isKnown) return 'the old code no longer serves';
  try {
    const isGunicorn = worker.server !== 'other';
    await lastGood.serve(folder, { root, entry: worker.entryScript }, async () => {
      const problem = await restart(folder, master, { known, deadlineMs, self, isGunicorn, held });
      if (problem !== null) throw new Error(problem);
      const health = await attempt.answer(deadlineMs);
      if (health !== 'healthy' && health !== 'unknown') throw new Error(`it is ${health}`);
    });
    return 'the code before it was started again, and serves';
  } catch (error) {
    return `the code before it was started again, and did not serve (${error instanceof Error ? error.message : String(error)})`;
  }
}

/**
 * RACE: what is saved after `movedSince` and before the new workers have imported is loaded untried. When it is broken
 * gunicorn ends, `finish` is held, and the next good reload starts the service again.
 */
async function makeSwitch(
  attempt: Attempt,
  seen: Awaited<ReturnType<Attempt['find']>>,
  preload: boolean,
): Promise<string | null> {
  const { worker, known, deadlineMs, self } = attempt;
  let { found, held } = seen;
  try {
    const crashing = found.workers.length === 0 && found.folder !== null;
    if (found.master !== null && worker.server !== 'other' && !preload && !crashing && !attempt.restart) {
      const told = await hangUp(found.master, found.workers, deadlineMs, self);
      if (told !== ENDED) return told;
      // It may have been seen amid its end: a worker that has lost its master to the same kill looks like one of its own.
      ({ found, held } = await attempt.find());
    }
    const { master, folder } = found;
    if (folder === null) return 'the service is down, and nothing that could start it was found';
    if (master !== null && !held) return 'it has to be restarted, and its finish script could not be held';
    return await restart(folder, master, { known, deadlineMs, self, held, isGunicorn: worker.server !== 'other' });
  } catch (error) {
    return `the service may not be told to: ${error instanceof Error ? error.message : String(error)}`;
  }
}
