/** A failure of the user's code as a step: where, what, why and what mends it. */
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import type { ProbeReport, ProbeStep, PythonFailure, SourcePlace } from '../../shared/core/service.ts';
import { causeOf } from '../service/hints.ts';
import { isWithin } from '../service/root.ts';
import type { WorkerContext } from '../service/worker.ts';

type Context = Pick<WorkerContext, 'interpreter' | 'env' | 'cwd' | 'entryScript'>;

export function failureStep(name: string, failure: PythonFailure, worker: Context, root: string): ProbeStep {
  const { type, message, hint, frames } = failure;
  const frame = frames.findLast(({ user }) => user);
  const inside = frame === undefined || frame.function.startsWith('<') ? '' : `, in ${frame.function}()`;
  const cause = causeOf(failure, { ...worker, root });
  return {
    name,
    ok: false,
    detail: [`${type}: ${message}${inside}`, ...(cause === undefined ? [] : [cause])].join('\n'),
    ...(hint !== undefined && { hint }),
    ...(frame !== undefined && { place: { file: frame.file, line: frame.line } }),
    failure,
  };
}

/** Lines before and after. */
const AROUND = 6;
const MAX_LINE = 400;
/** Bytes of a file that are read: what stands further down is not shown. */
const MAX_FILE = 512 * 1024;

/** The report with the lines around each place, as they are on the disk now. */
export function withSources(report: ProbeReport, root: string, entryScript: string | null): ProbeReport {
  const steps = report.steps.map((step) => {
    if (step.place === undefined) return step;
    const source = sourceAt(step.place, root, entryScript);
    return source === null ? step : { ...step, place: { ...step.place, source } };
  });
  return { ...report, steps };
}

/** Null for what is no file of the user's: a traceback may name any file, and the agent may read more than the service. */
type Source = NonNullable<SourcePlace['source']>;

function sourceAt({ file, line }: SourcePlace, root: string, entryScript: string | null): Source | null {
  try {
    const path = realpathSync(file);
    if (!isWithin(path, realpathSync(root)) && path !== (entryScript && realpathSync(entryScript))) return null;
    if (!statSync(path).isFile()) return null;
    const lines = head(path).split(/\r?\n/);
    const first = Math.max(1, line - AROUND);
    const shown = lines.slice(first - 1, line + AROUND).map((text) => text.slice(0, MAX_LINE));
    return shown.length === 0 ? null : { first, lines: shown };
  } catch {
    return null; // it is gone
  }
}

function head(path: string): string {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(MAX_FILE);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, MAX_FILE, 0));
  } finally {
    closeSync(file);
  }
}
