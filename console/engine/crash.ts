/** Why a service ended, from what it printed or from what its interpreter reported. */
import { explain, explainFailure } from '../../shared/core/explain/explain.ts';
import { exitMeaning } from '../../shared/core/explain/rules/start.ts';
import type { PythonFailure } from '../../shared/core/service.ts';
import { isForeign, parseCause } from '../../shared/core/traceback.ts';
import { plain } from '../text/plain.ts';
import { userFrame } from '../text/reload.ts';

/** `command`: it ended before or beside the user's code; else the step at which that code failed. */
export type CrashStage = 'command' | 'compile' | 'import' | 'init';

export interface Crash {
  /** `NameError`; `Exit` where nothing but an exit code is known. */
  readonly type: string;
  readonly message: string;
  /** The innermost place in the user's own code. */
  readonly file: string | null;
  readonly line: number | null;
  readonly traceback: string | null;
  readonly hint?: string;
}

export interface Cause {
  readonly stage: CrashStage;
  readonly error: Crash;
}

/** `code` is null when it is not known. */
export function crashOf(log: readonly string[], code: number | null): Cause {
  const text = log.join('\n');
  const failure = parseCause(text, (file) => !isForeign(file));
  const said = (failure === null ? null : explainFailure(failure)) ?? explain(plain(text)).explanations[0];
  const hinted = said === undefined ? {} : { hint: said.mend };
  if (failure !== null) return causeOf({ ...failure, ...hinted });
  const last = log.findLast((line) => line.trim() !== '' && !OWN_LINES.test(line));
  const meant = exitMeaning(code ?? 0);
  const how = code === null ? 'it ended' : `it ended with exit code ${code}${meant === '' ? '' : ` (${meant})`}`;
  const message = last === undefined ? how : `${how}; its last words: ${plain(last).trim()}`;
  return { stage: 'command', error: { type: 'Exit', message, file: null, line: null, traceback: null, ...hinted } };
}

export function causeOf(failure: PythonFailure): Cause {
  const frame = userFrame(failure);
  const error = {
    type: failure.type,
    message: failure.message,
    file: frame?.file ?? null,
    line: frame?.line ?? null,
    traceback: failure.traceback === '' ? null : failure.traceback,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  };
  return { stage: stageOf(failure), error };
}

function stageOf({ type, frames }: PythonFailure): CrashStage {
  if (/^(?:Syntax|Indentation|Tab)Error$/.test(type)) return 'compile';
  const own = frames.filter(({ user }) => user);
  if (own.some((frame) => frame.function === 'init')) return 'init';
  return own.length > 0 ? 'import' : 'command';
}

/** Of the supervisor around the service. */
const OWN_LINES = /^drydock: |gunicorn\/(?:run|finish) |is not normal\. Killing image/;
