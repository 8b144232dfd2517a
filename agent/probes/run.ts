/** The explained checks that the agent makes, by name. */
import type { Params } from '../../shared/core/protocol.ts';
import type { ProbeReport } from '../../shared/core/service.ts';
import { readProcess, type Self } from '../service/read-worker.ts';
import type { Service } from '../service/service.ts';
import { probeEntry } from './entry.ts';
import { probeEnv } from './env.ts';
import { probeHealth } from './health.ts';
import { probeImports } from './imports.ts';
import { probeModel } from './model.ts';
import { probeModelPath } from './model-path.ts';
import { probePackages } from './packages.ts';

export interface ProbeOptions {
  readonly kitDir: string;
  readonly self: Self;
  readonly service: Pick<Service, 'workerContext' | 'target'>;
}

export async function runProbe(options: ProbeOptions, question: Params<'probe.run'>): Promise<ProbeReport> {
  const { kitDir, self, service } = options;
  const context = await service.workerContext();
  switch (question.name) {
    case 'env':
      return probeEnv(kitDir, context, (await readProcess(1, self))?.environ ?? null);
    case 'entry':
      return probeEntry(kitDir, context);
    case 'health':
      return probeHealth(await service.target());
    case 'imports':
      return joined('imports', [await probeImports(kitDir, context), await probePackages(kitDir, context)]);
    case 'model':
      return probeModel(kitDir, context);
    case 'model-path':
      return probeModelPath(kitDir, context, question);
  }
}

function joined(probe: string, reports: readonly ProbeReport[]): ProbeReport {
  return {
    probe,
    ok: reports.every(({ ok }) => ok),
    steps: reports.flatMap(({ steps }) => steps),
    ms: reports.reduce((sum, { ms }) => sum + ms, 0),
  };
}
