/** The explained checks, by the agent's answers. */
import type { ProbeReport, ProbeStep, StartCheck } from '../../shared/core/service.ts';
import { describeStart } from '../text/reload.ts';
import type { Link } from './link.ts';
import { PROBES, type ProbeName } from './view.ts';

export interface ProbeQuestion {
  /** Else the one that the entry script asks for. */
  readonly model?: string;
  readonly version?: number;
}

/** `onPart` is called with each probe's own report as it is there. */
export async function runProbe(
  { control }: Link,
  name: ProbeName,
  question: ProbeQuestion = {},
  onPart: (report: ProbeReport) => void = () => undefined,
): Promise<ProbeReport> {
  const reports: ProbeReport[] = [];
  for (const part of name === 'all' ? PROBES : [name]) {
    const report =
      part === 'start'
        ? startReport((await control.call('service.check-start', {})).value)
        : (await control.call('probe.run', { name: part, ...question })).value;
    reports.push(report);
    onPart(report);
  }
  return {
    probe: name,
    ok: reports.every(({ ok }) => ok),
    steps: reports.flatMap(({ steps }) => steps),
    ms: reports.reduce((sum, { ms }) => sum + ms, 0),
  };
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
