/** Tries a fresh start of the code on disk, and compares it with the worker that serves. */
import type { StartCheck } from '../../shared/core/service.ts';
import type { HookChannel } from '../hook/channel.ts';
import { boot } from './boot.ts';
import { dropStale, type SourceMarks } from './bytecode.ts';
import type { WorkerContext } from './worker.ts';

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

export type Started = Pick<StartCheck, 'ok' | 'error' | 'answers' | 'skipped'>;

/** Null when it was aborted. */
export async function tryStart(attempt: StartAttempt): Promise<Started | null> {
  const { worker, channel, root, marks } = attempt;
  const passed = worker.server === 'other' ? null : ((await channel?.passed()) ?? null);
  await dropStale(root, marks, worker.env['PYTHONPYCACHEPREFIX']);
  const outcome = await boot(worker, { ...attempt, ...(passed !== null && { request: passed }) });
  if (outcome === null) return null;
  if (outcome.error !== undefined) return { ok: false, error: outcome.error };
  const { answered } = outcome;
  if (passed === null || answered === null) return { ok: true };
  if (answered.status === passed.status && answered.answer === passed.answer) return { ok: true };
  const shown = ({ status, answer }: typeof answered) => `${status}  ${Buffer.from(answer, 'base64').toString('utf8')}`;
  return { ok: true, answers: { path: passed.path, now: shown(passed), fresh: shown(answered) } };
}
