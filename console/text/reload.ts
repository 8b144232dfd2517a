/** Reloads and probes in sentences, for verbs and console alike. */
import type {
  Frame,
  ProbeReport,
  ProbeStep,
  PythonFailure,
  ReloadResult,
  ReloadStage,
  SourcePlace,
  StartCheck,
} from '../../shared/core/service.ts';

const STAGES: Readonly<Record<ReloadStage, string>> = {
  find: 'found the service',
  compile: 'compiled',
  import: 'imported',
  init: 'init()',
  gate: 'answered the last good request',
  switch: 'switched workers',
  answer: 'answered',
};

/** `score.py:14 NameError: name 'np' is not defined, in init()` */
export function describeFailure(failure: PythonFailure): string {
  const frame = userFrame(failure);
  const where = frame === undefined ? '' : `${basename(frame.file)}:${frame.line} `;
  const inside = frame === undefined || frame.function.startsWith('<') ? '' : `, in ${frame.function}()`;
  return `${where}${failure.type}: ${failure.message}${inside}`;
}

/** The innermost frame in the user's own code. */
export function userFrame(failure: PythonFailure): Frame | undefined {
  return failure.frames.findLast(({ user }) => user);
}

export function describeReload(result: ReloadResult): string {
  const ms = Math.round(result.ms);
  if (result.ok) {
    const stages = result.stages.map(({ name, ms: stage }) => `${STAGES[name]} ${Math.round(stage)} ms`);
    return [`✓ the new code serves after ${ms} ms (${stages.join(', ')})`, ...gateLines(result)].join('\n');
  }
  if (result.needs !== undefined) {
    const why = result.error?.message ?? '';
    return `! the new code is good (tried in ${ms} ms); ${why}. A new start of the container loads it: drydock reload --restart`;
  }
  const lines = [`✗ the new code failed at ${result.stage} after ${ms} ms; what served before goes on`];
  if (result.error !== undefined) {
    lines.push(`  ${describeFailure(result.error)}`);
    if (result.error.hint !== undefined) lines.push(`  ${result.error.hint}`);
    lines.push(...gateLines(result), '', result.error.traceback.trimEnd());
  }
  return lines.join('\n');
}

/** In a sentence; null where a fresh start does as the worker that serves, or where nothing was tried. */
export function describeStart({ ok, error, answers }: StartCheck): string | null {
  if (!ok) return `a fresh start of this code fails${error === undefined ? '' : `: ${describeFailure(error)}`}`;
  if (answers === undefined) return null;
  const { path, now, fresh } = answers;
  return `a fresh process answers ${path} otherwise: ${brief(fresh)}, and the worker that serves ${brief(now)}`;
}

const brief = (text: string): string => text.trim().replaceAll(/\s+/g, ' ').slice(0, 200);

/** What changed in the answer, since a status alone says little: many scripts answer 200 with the error in the body. */
function gateLines({ gate }: ReloadResult): readonly string[] {
  if (gate?.before === undefined) return [];
  const { path, status, answer, before } = gate;
  if (status === before.status && answer === before.answer) return [];
  return [
    `  it answers the last good request to ${path} otherwise:`,
    `    before  ${before.status}  ${brief(before.answer)}`,
    `    now     ${status}  ${brief(answer)}`,
  ];
}

export function describeProbe(report: ProbeReport): string {
  return report.steps
    .flatMap((step) => [
      `${markOf(step)} ${step.name}: ${placedDetail(step).replaceAll('\n', '\n    ')}`,
      ...(step.hint === undefined ? [] : [`  → ${step.hint.replaceAll('\n', '\n    ')}`]),
    ])
    .join('\n');
}

/** Of a step, or of a report. */
export interface Verdict {
  readonly ok: boolean;
  readonly skipped?: boolean;
}

export const markOf = ({ ok, skipped = false }: Verdict): string => (skipped ? '–' : ok ? '✓' : '✗');

/** What a step says, its place as `score.py:14`. */
export function placedDetail({ detail, place }: ProbeStep): string {
  if (place === undefined) return detail;
  const [long, short] = [`${place.file}:${place.line}`, shortPlace(place)];
  return detail.includes(long) ? detail.replaceAll(long, short) : `${short} ${detail}`;
}

export const shortPlace = ({ file, line }: SourcePlace): string => `${basename(file)}:${line}`;

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
