/** The explained checks, by the agent's answers. */
import { randomBytes } from 'node:crypto';
import type { ProbeReport, ProbeStep, StartCheck } from '../../shared/core/service.ts';
import { describeStart } from '../text/reload.ts';
import type { Link } from './link.ts';
import { PROBES, type ProbeName } from './view.ts';

export interface ProbeQuestion {
  /** The engine that runs the container: `docker: default`. */
  readonly engine: string;
  /** Else the one that the entry script asks for. */
  readonly model?: string;
  readonly version?: number;
  /** What imports and loads of models take. */
  readonly profile?: boolean;
  /** What run() is asked; base64. */
  readonly data?: { readonly contentType: string; readonly body: string };
}

type Part = (typeof PROBES)[number];

/** Probes of what comes after init(), and what is said instead of their own failures where that failed. */
const LATER: Readonly<Record<string, (failed: string, detail: string) => string>> = {
  run: (failed) => `not run: ${failed} failed`,
  // Code that served before may be healthy beside what is on the disk.
  health: (failed, detail) => `not judged: ${failed} failed; ${detail}`,
  start: (failed) => `not run: ${failed} failed`,
};

/** `onPart` is called with each probe's own report as soon as it is there; the report has them in their order. */
export async function runProbe(
  { control }: Link,
  name: ProbeName,
  question: ProbeQuestion,
  onPart: (report: ProbeReport) => void = () => undefined,
): Promise<ProbeReport> {
  const from = performance.now();
  // The agent boots the code once for all of them.
  const batch = name === 'all' ? { batch: randomBytes(8).toString('hex') } : {};
  const ask = async (part: Part): Promise<ProbeReport> =>
    part === 'start'
      ? startReport((await control.call('service.check-start', batch)).value)
      : (await control.call('probe.run', { name: part, ...question, ...batch })).value;
  const asked = (name === 'all' ? PROBES : [name]).map((part) => ({ part, report: ask(part) }));
  const init = asked.find(({ part }) => part === 'init');
  const reports = await Promise.all(
    asked.map(async ({ part, report }) => {
      const found = await report;
      const isLater = init !== undefined && part in LATER;
      const told = isLater && !found.ok ? excused(found, await init.report) : found;
      onPart(told);
      return told;
    }),
  );
  return {
    probe: name,
    ok: reports.every(({ ok }) => ok),
    steps: reports.flatMap(({ steps }) => steps),
    ms: performance.now() - from,
  };
}

/** The report without failures that only follow from one of `init`. */
export function excused(report: ProbeReport, init: ProbeReport): ProbeReport {
  const say = LATER[report.probe];
  // A start that is only slow is none that fails.
  const failed = init.steps.find(({ ok, failure }) => !ok && failure !== undefined);
  if (say === undefined || failed === undefined) return report;
  const steps = report.steps.map((step): ProbeStep =>
    step.ok ? step : { name: step.name, ok: true, skipped: true, detail: say(failed.name, step.detail) },
  );
  return { ...report, ok: true, steps };
}

/** Whether a fresh process does as the worker that serves. */
function startReport(check: StartCheck): ProbeReport {
  const problem = describeStart(check);
  const hint = check.ok
    ? 'a new container would answer so too: the worker that serves knows something that the files do not say'
    : check.error?.hint;
  const well = check.skipped === undefined ? 'serves, and answers the last good request as the worker does' : undefined;
  const step: ProbeStep = {
    name: 'fresh start',
    ok: problem === null,
    detail: problem ?? well ?? `not tried: ${check.skipped ?? ''}`,
    ...(problem !== null && hint !== undefined && { hint }),
  };
  return { probe: 'start', ok: step.ok, steps: [step], ms: check.ms };
}
