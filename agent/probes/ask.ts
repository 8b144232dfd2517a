/** A probe is a question to the serving worker's own Python and an explanation of what it answers. */
import type { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { parseFacts, runPython } from '../service/python.ts';

export const step = (name: string, ok: boolean, detail: string, hint?: string): ProbeStep =>
  hint === undefined ? { name, ok, detail } : { name, ok, detail, hint };

export const list = (entries: readonly string[]): string => (entries.length === 0 ? 'nothing' : entries.join(', '));

export interface Question<F> {
  readonly probe: string;
  /** In the kit's `python/`. */
  readonly file: string;
  readonly facts: z.ZodType<F>;
  readonly spec: (worker: WorkerContext, context: ShellContext) => object;
  readonly explain: (
    facts: F,
    worker: WorkerContext,
    context: ShellContext,
  ) => readonly ProbeStep[] | Promise<readonly ProbeStep[]>;
}

export async function askWorker<F>(kitDir: string, context: ShellContext, question: Question<F>): Promise<ProbeReport> {
  const { probe, file, facts: schema, spec, explain } = question;
  const { worker } = context;
  return timed(probe, async () => {
    if (worker === null) {
      const hint =
        'start the service, or attach while it tries to start: the probe needs its Python, folder and environment';
      return [step('interpreter', false, 'no scoring service runs', hint)];
    }
    const { answer, output } = await runPython(kitDir, file, worker, spec(worker, context));
    const facts = parseFacts(schema, answer);
    if (facts !== null) return explain(facts, worker, context);
    const detail = `${worker.interpreter} did not answer: ${output.trim().split('\n').slice(-5).join('\n')}`;
    return [step('interpreter', false, detail, 'run this Python in the container’s shell')];
  });
}

export async function timed(probe: string, steps: () => Promise<readonly ProbeStep[]>): Promise<ProbeReport> {
  const from = performance.now();
  const taken = await steps();
  return { probe, ok: taken.every(({ ok }) => ok), steps: taken, ms: performance.now() - from };
}
