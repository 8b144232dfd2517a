/** One attempt to make the code on disk serve by a candidate worker: it boots beside the old ones, and they leave for it. */
import type { GateResult, PythonFailure, ReloadStage, ServiceState } from '../../shared/core/service.ts';
import type { HookChannel } from '../hook/channel.ts';
import type { GateRequest, HookFailure, Promoted, Rejected } from '../hook/messages.ts';
import { explained, fromHookFailure, isSyntax } from './failure.ts';
import type { AttemptOutcome } from './reload.ts';
import type { SourceMarks } from './bytecode.ts';
import type { WorkerContext } from './worker.ts';

export interface CandidateAttempt {
  readonly channel: HookChannel;
  readonly worker: WorkerContext;
  readonly generation: number;
  readonly root: string;
  readonly deadlineMs: number;
  /** Not beside the old workers, but in their place. */
  readonly alone: boolean;
  readonly gate: 'last' | GateRequest | null;
  readonly marks: SourceMarks;
  readonly signal: AbortSignal;
  readonly onPhase: (phase: ServiceState['phase']) => void;
  readonly onPromoted: (promoted: Promoted) => void;
}

/** Null when it was aborted, or the hook went away: nothing is known of the code then. */
export async function attemptCandidate(attempt: CandidateAttempt): Promise<AttemptOutcome | null> {
  const { channel, worker, root, marks } = attempt;
  const clock = new StageClock();
  const seen = { exclusive: false };
  const outcome = await channel.candidate({
    generation: attempt.generation,
    root,
    entry: worker.entryScript,
    deadlineMs: attempt.deadlineMs,
    alone: attempt.alone,
    gate: attempt.gate,
    signal: attempt.signal,
    onStage: (stage) => {
      if (stage === 'exclusive') seen.exclusive = true;
      else clock.enter(stageOf(stage));
    },
  });
  if (outcome === null) return null;
  const base = { output: '', marks, way: 'candidate', ...(seen.exclusive && { exclusive: true }) } as const;
  if (outcome.kind === 'rejected') {
    const { stage, error, gate } = rejection(outcome.rejected, clock.stage, worker, root);
    return { ...base, ok: false, stage, stages: clock.end(), error, ...(gate && { gate }) };
  }
  const { promoted, settled } = outcome;
  attempt.onPhase('switching');
  clock.enter('switch');
  await settled;
  attempt.onPromoted(promoted);
  return {
    ...base,
    ok: true,
    stage: 'answer',
    stages: clock.end(),
    ...(promoted.gate !== null && { gate: gateOf(promoted.gate) }),
  };
}

function rejection(
  { failure, gate }: Rejected,
  reached: ReloadStage,
  worker: WorkerContext,
  root: string,
): { stage: ReloadStage; error: PythonFailure; gate?: GateResult } {
  const told = fromHookFailure(failure ?? NOTHING);
  const stage = isSyntax(told) ? 'compile' : failure?.init === true && reached === 'import' ? 'init' : reached;
  const error = explained(withHint(told, stage), worker, root);
  return { stage, error, ...(gate !== undefined && gate !== null && { gate: gateOf(gate) }) };
}

const NOTHING: HookFailure = { type: 'Exit', message: 'it ended', traceback: '', frames: [], init: false };

/** What to do about what is no exception of the code's own. */
function withHint(error: PythonFailure, stage: ReloadStage): PythonFailure {
  const hint = hintOf(error, stage);
  return hint === null ? error : { ...error, hint };
}

function hintOf({ type, message }: PythonFailure, stage: ReloadStage): string | null {
  if (stage === 'gate') {
    return 'new code answers the last good request before it serves; to serve it all the same: drydock reload --no-gate';
  }
  if (type === 'Deadline') return 'look for a loop, a download or a wait in it';
  if (type !== 'Exit') return null;
  if (message.includes('SIGKILL')) {
    return 'most likely for want of memory: the container must hold the model twice while new code is tried';
  }
  return /by SIG/.test(message)
    ? 'a compiled package does not fit this Python or this machine'
    : 'look for os._exit() or exit() in it';
}

type WireGate = NonNullable<Rejected['gate']>;

function gateOf({ path, status, ms, answer, before }: WireGate): GateResult {
  return {
    path,
    status,
    ms,
    answer: textOf(answer),
    ...(before !== null && { before: { status: before.status, answer: textOf(before.answer) } }),
  };
}

const textOf = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

function stageOf(stage: string): ReloadStage {
  return stage === 'init' || stage === 'gate' ? stage : 'import';
}

class StageClock {
  stage: ReloadStage = 'import';
  readonly #stages: { name: ReloadStage; ms: number }[] = [];
  #from = performance.now();

  enter(next: ReloadStage): void {
    if (next === this.stage) return;
    this.#close();
    this.stage = next;
  }

  end(): readonly { readonly name: ReloadStage; readonly ms: number }[] {
    this.#close();
    return this.#stages;
  }

  #close(): void {
    const now = performance.now();
    this.#stages.push({ name: this.stage, ms: now - this.#from });
    this.#from = now;
  }
}
