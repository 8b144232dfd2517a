/** A Python failure as its process described it (agent/hook/python/drydock_hook/failure.py), with what to do about it. */
import type { PythonFailure } from '../../shared/core/service.ts';
import type { HookFailure } from '../hook/messages.ts';
import { hintFor } from './hints.ts';
import type { WorkerContext } from './worker.ts';

export function fromHookFailure({ type, message, traceback, frames }: HookFailure): PythonFailure {
  return {
    type,
    message,
    traceback,
    frames: frames.map(({ code, locals, ...frame }) => ({
      ...frame,
      ...(code !== null && { code }),
      ...(locals !== undefined && { locals }),
    })),
  };
}

/** A module that the entry script imports is compiled while it is imported. */
export const isSyntax = ({ type, frames }: PythonFailure): boolean =>
  ['SyntaxError', 'IndentationError', 'TabError'].includes(type) && frames.at(-1)?.user === true;

export function explained(failure: PythonFailure, worker: WorkerContext, root: string): PythonFailure {
  const hint = failure.hint ?? hintFor(failure, { ...worker, root });
  return hint === undefined ? failure : { ...failure, hint };
}
