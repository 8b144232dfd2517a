/** The explained checks, by the agent's answers. */
import { randomBytes } from 'node:crypto';
import type { ProbeReport, ProbeStep, StartCheck } from '../../shared/core/service.ts';
import { describeStart } from '../text/reload.ts';
import type { Link } from './link.ts';
import { PROBES, type ProbeName } from './view.ts';

export interface ProbeQuestion {
  /** Else the one that the entry script asks for. */
  readonly model?: string;
  readonly version?: number;
  /** What imports and loads of models take. */
  readonly profile?: boolean;
  /** What run() is asked; base64. */
  readonly data?: { readonly contentType: string; readonly body: string };
}

/** `onPart` is called with each probe's own report as soon as it is there; the report has them in their order. */
export async function runProbe(
  { control }: Link,
  name: ProbeName,
  question: ProbeQuestion = {},
  onPart: (report: ProbeReport) => void = () => undefined,
): Promise<ProbeReport> {
  const from = performance.now();
  // The agent boots the code once for all of them.
  const batch = name === 'all' ? { batch: randomBytes(8).toString('hex') } : {};
  const ask = async (part: (typeof PROBES)[number]): Promise<ProbeReport> => {
    const report =
      part === 'start'
        ? startReport((await control.call('service.check-start', batch)).value)
        : (await control.call('probe.run', { name: part, ...question, ...batch })).value;
    onPart(report);
    return report;
  };
  const reports = await Promise.all((name === 'all' ? PROBES : [name]).map(ask));
  return {
    probe: name,
    ok: reports.every(({ ok }) => ok),
    steps: reports.flatMap(({ steps }) => steps),
    ms: performance.now() - from,
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
