/** Why a service ended, from what it printed or from what its interpreter reported. */
import type { PythonFailure } from '../../shared/core/service.ts';
import { parseCause } from '../../shared/core/traceback.ts';
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

/** Python's own and installed packages are not the user's. */
const FOREIGN = /^<|\/(?:site|dist)-packages\/|\/lib(?:64)?\/python[\d.]+\/|\/opt\/drydock\//;

/** `code` is null when it is not known. */
export function crashOf(log: readonly string[], code: number | null): Cause {
  const failure = parseCause(log.join('\n'), (file) => !FOREIGN.test(file));
  if (failure !== null) return causeOf(failure);
  const last = log.findLast((line) => line.trim() !== '' && !OWN_LINES.test(line));
  const how = code === null ? 'it ended' : `it ended with exit code ${code}${meaning(code)}`;
  const message = last === undefined ? how : `${how}; its last words: ${plain(last).trim()}`;
  return { stage: 'command', error: { type: 'Exit', message, file: null, line: null, traceback: null } };
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

/** As shells, the Linux kernel and Azure's `run` scripts (which may install packages) give them. */
function meaning(code: number): string {
  if (code === 126) return ' (its command may not be executed)';
  if (code === 127) return ' (its command is not there)';
  if (code === 137) return ' (killed: out of memory?)';
  if (code === 139) return ' (segmentation fault)';
  return code >= 94 && code <= 99 ? ' (packages could not be installed)' : '';
}
