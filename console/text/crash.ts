/** A service that did not start, in sentences. */
import type { Crash, CrashStage } from '../engine/crash.ts';

const STAGES: Readonly<Record<CrashStage, string>> = {
  command: 'its command ended',
  compile: 'the code does not compile',
  import: 'the code does not import',
  init: 'init() failed',
};

/** `init() failed: score.py:14 NameError: name 'np' is not defined`, and the traceback below it. */
export function describeCrash(stage: string, { type, message, file, line, traceback, hint }: Crash): string {
  const where = file === null ? '' : `${file}:${line ?? '?'} `;
  const what = isStage(stage) ? `${STAGES[stage]}: ` : '';
  return [
    `${what}${where}${type === 'Exit' || type === 'Timeout' ? '' : `${type}: `}${message}`,
    ...(hint === undefined ? [] : [`  ${hint}`]),
    ...(traceback === null ? [] : ['', traceback.trimEnd()]),
  ].join('\n');
}

const isStage = (stage: string): stage is CrashStage => Object.hasOwn(STAGES, stage);
