/** Tries a fresh start of the code on disk, and compares it with the worker that serves. */
import type { ReloadResult, StartCheck } from '../../shared/core/service.ts';
import type { HookChannel } from '../hook/channel.ts';
import { boot, type BootOptions, type BootOutcome } from './boot.ts';
import { dropStale, type SourceMarks } from './bytecode.ts';
import type { WorkerContext } from './worker.ts';

export const OVERTAKEN = 'something else came first';

export interface StartAttempt {
  readonly worker: WorkerContext;
  /** Null without the hook: then nothing is known that could be compared. */
  readonly channel: HookChannel | null;
  readonly python: string;
  readonly root: string;
  readonly marks: SourceMarks;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

type Started = Pick<StartCheck, 'ok' | 'error' | 'answers' | 'skipped'>;

/** What else somebody wants of the boot. */
export type StartWish = Pick<BootOptions, 'talk' | 'profile' | 'modules'>;

export interface ColdStart {
  readonly check: StartCheck;
  /** Null where none was tried: `check.skipped` says why. */
  readonly outcome: BootOutcome | null;
}

/** Null when it was aborted. */
async function tryStart(attempt: StartAttempt, wish: StartWish): Promise<[Started, BootOutcome] | null> {
  const { worker, channel, root, marks } = attempt;
  const passed = worker.server === 'other' ? null : ((await channel?.passed()) ?? null);
  await dropStale(root, marks, worker.env['PYTHONPYCACHEPREFIX']);
  const outcome = await boot(worker, { ...attempt, ...wish, ...(passed !== null && { request: passed }) });
  if (outcome === null) return null;
  return [compared(outcome, passed), outcome];
}

function compared({ error, answered }: BootOutcome, passed: Awaited<ReturnType<HookChannel['passed']>>): Started {
  if (error !== undefined) return { ok: false, error };
  if (passed === null || answered === null) return { ok: true };
  if (answered.status === passed.status && answered.answer === passed.answer) return { ok: true };
  const shown = ({ status, answer }: { readonly status: string; readonly answer: string }) =>
    `${status}  ${Buffer.from(answer, 'base64').toString('utf8')}`;
  return { ok: true, answers: { path: passed.path, now: shown(passed), fresh: shown(answered) } };
}

/** Reloads in a row in a warm master before a fresh start is tried. */
const CHECKED_EACH = 10;
/** Stages that say something of the code itself. */
const TRIED: ReadonlySet<ReloadResult['stage']> = new Set(['compile', 'import', 'init', 'gate']);

/** What is to be checked, as it is when the check's turn comes. */
export interface StartSubject {
  readonly generation: number;
  /** The newest reload; null where there was none. */
  readonly last: ReloadResult | null;
  /** Why nothing can be tried now; null when it can. */
  readonly obstacle: string | null;
  readonly attempt: Omit<StartAttempt, 'worker' | 'signal'> & { readonly worker: WorkerContext | null };
}

export class StartChecks {
  readonly #now: () => number;
  readonly #onChange: () => void;
  #last: StartCheck | null = null;
  /** Of the check under way. */
  #trial: AbortController | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #isWarm = false;
  #warmReloads = 0;

  constructor(now: () => number, onChange: () => void) {
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Null while one is under way. */
  get last(): StartCheck | null {
    return this.#last;
  }

  /** Whether the code that serves was forked from a master with imported packages. */
  get isWarm(): boolean {
    return this.#isWarm;
  }

  get isDue(): boolean {
    return this.#warmReloads >= CHECKED_EACH;
  }

  /** New code serves. */
  served(isWarm: boolean): void {
    this.#isWarm = isWarm;
    if (isWarm) this.#warmReloads += 1;
  }

  /** Something comes first: a save, a commit. */
  abort(): void {
    this.#trial?.abort();
  }

  /** One after the other. With a wish the code is booted, whatever is known of it. */
  check(subject: () => Promise<StartSubject>, wish?: StartWish): Promise<ColdStart> {
    const check = this.#queue.then(async () => this.#check(await subject(), wish));
    this.#queue = check.catch(() => undefined);
    return check;
  }

  async #check(subject: StartSubject, wish: StartWish | undefined): Promise<ColdStart> {
    const from = performance.now();
    const known = this.#obstacle(subject) ?? (wish === undefined ? this.#known(subject) : null);
    const [started, outcome] = known === null ? await this.#try(subject, wish ?? {}) : [known, null];
    const check = { ...started, generation: subject.generation, ms: performance.now() - from, at: this.#now() };
    this.#last = check;
    this.#onChange();
    return { check, outcome };
  }

  #obstacle({ obstacle, attempt }: StartSubject): Started | null {
    if (attempt.worker === null) return { ok: true, skipped: 'no scoring service was found' };
    return obstacle === null ? null : { ok: true, skipped: obstacle };
  }

  /** What needs no try. */
  #known({ generation, last }: StartSubject): Started | null {
    const isOfThis = last?.generation === generation;
    if (isOfThis && last.ok && !this.#isWarm) return { ok: true };
    if (isOfThis && !last.ok && last.error !== undefined && TRIED.has(last.stage))
      return { ok: false, error: last.error };
    return null;
  }

  async #try(
    { attempt: { worker, ...attempt } }: StartSubject,
    wish: StartWish,
  ): Promise<readonly [Started, BootOutcome | null]> {
    this.#last = null;
    this.#onChange();
    const trial = (this.#trial = new AbortController());
    const started = worker && (await tryStart({ ...attempt, worker, signal: trial.signal }, wish));
    this.#trial = null;
    if (started === null) return [{ ok: true, skipped: OVERTAKEN }, null];
    this.#warmReloads = 0;
    return started;
  }
}
