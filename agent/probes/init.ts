/**
 * What a fresh process makes of the code: the server's set-up, the script's import, init(), and whether they take less
 * than Azure waits for.
 *
 * Managed online endpoints restart a container whose liveness route has failed 30 times, 10 s apart, 10 s after its start
 * (`liveness_probe` of https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online); AKS
 * of SDK v1 after 3 failures, 10 s apart, from 310 s on (azureml-core 1.61, webservice/aks.py, `deploy_configuration`).
 */
import { basename } from 'node:path';
import type { ProbeStep } from '../../shared/core/service.ts';
import type { BootOutcome, BootProfile } from '../service/boot.ts';
import type { ColdStart } from '../service/start-check.ts';
import type { WorkerContext } from '../service/worker.ts';
import { userScript } from '../service/user-script.ts';
import { step } from './ask.ts';
import { failureStep } from './failure.ts';

const MANAGED_S = 10 + 30 * 10;
const AKS_S = 310 + 3 * 10;

type Worker = Pick<WorkerContext, 'server' | 'interpreter' | 'env' | 'cwd' | 'entryScript' | 'command' | 'application'>;

export function explainInit({ check, outcome }: ColdStart, worker: Worker, root: string): ProbeStep[] {
  if (outcome === null)
    return [step('fresh process', true, `not tried: ${check.skipped ?? 'the code was not booted'}`)];
  const { error, stage } = outcome;
  const steps = spanSteps(outcome, worker);
  // What it was asked afterwards is a matter of run().
  if (error !== undefined && stage !== 'gate') {
    const name = stage === 'init' ? 'init()' : stage === 'compile' ? 'compile' : 'import';
    return [
      ...steps.filter((one) => one.name !== name),
      failureStep(name, error, worker, root),
      ...profileSteps(outcome),
    ];
  }
  return [...steps, windowStep(outcome, worker), ...profileSteps(outcome)];
}

const of = ({ spans }: BootOutcome, name: string) => spans.find((span) => span.name === name);

/** `0.61 s`, `12.3 s`; `42 ms` */
export const seconds = (value: number): string =>
  value < 0.1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;

const megabytes = (mb: number): string => `${Math.max(0, mb).toFixed(mb < 10 ? 1 : 0)} MB`;

function spanSteps(outcome: BootOutcome, { server, entryScript, command, application }: Worker): ProbeStep[] {
  const [all, imported, init] = ['all', 'import', 'init'].map((name) => of(outcome, name));
  const script = entryScript === null ? (application?.name ?? command.program.name) : basename(userScript(entryScript));
  const steps: ProbeStep[] = [];
  if (all !== undefined && server !== 'other') {
    const own = all.seconds - (imported?.seconds ?? 0) - (init?.seconds ?? 0);
    const what = imported === undefined ? `${script}, and the server around it` : `${server}, up to the script`;
    const mb = all.mb - (imported?.mb ?? 0) - (init?.mb ?? 0);
    steps.push(step(imported === undefined ? 'import' : 'server', true, `${what}: ${seconds(own)}, ${megabytes(mb)}`));
  }
  if (imported !== undefined)
    steps.push(step('import', true, `${script}: ${seconds(imported.seconds)}, ${megabytes(imported.mb)} more`));
  if (init !== undefined) steps.push(step('init()', true, `${seconds(init.seconds)}, ${megabytes(init.mb)} more`));
  return steps;
}

function windowStep(outcome: BootOutcome, { env }: Worker): ProbeStep {
  const name = 'time to start';
  const all = of(outcome, 'all');
  if (all === undefined) return step(name, true, 'not measured');
  const init = of(outcome, 'init');
  const timeout = outcome.gunicorn?.timeout ?? 0;
  const timeoutName = env['WORKER_TIMEOUT'] === undefined ? 'gunicorn’s timeout' : 'WORKER_TIMEOUT';
  const detail = [
    init === undefined
      ? `the start takes ${seconds(all.seconds)}`
      : `init takes ${seconds(init.seconds)}, the whole start ${seconds(all.seconds)}`,
    `Azure gives ${MANAGED_S} s before it restarts the container (a managed endpoint; AKS of SDK v1 ${AKS_S} s)`,
    ...(timeout > 0 ? [`gunicorn ${timeout} s before it ends the worker (${timeoutName})`] : []),
  ].join('; ');
  if (timeout > 0 && all.seconds > timeout) {
    const hint = `gunicorn would end the worker before it serves, again and again: WORKER_TIMEOUT=${Math.ceil((all.seconds * 2) / 60) * 60}`;
    return step(name, false, detail, hint);
  }
  if (all.seconds > MANAGED_S) {
    return step(
      name,
      false,
      detail,
      'give the container longer: liveness_probe: initial_delay: 600 in the deployment’s YAML',
    );
  }
  return step(name, true, detail);
}

function profileSteps({ profile }: BootOutcome): ProbeStep[] {
  return profile === null ? [] : [...profile.loads.map(loadStep), ...profile.imports.map(importStep)];
}

const PHASES: Readonly<Record<string, string>> = {
  server: 'by the server',
  import: 'by the script',
  init: 'in init()',
};

const loadStep = ({ call, path, seconds: took, mb }: BootProfile['loads'][number]): ProbeStep =>
  step(call, true, `${seconds(took)}, ${megabytes(mb)}${path === null ? '' : `: ${path}`}`);

const importStep = ({ module, phase, seconds: own, all, mb }: BootProfile['imports'][number]): ProbeStep =>
  step(
    `import ${module}`,
    true,
    `${seconds(own)} of its own, ${seconds(all)} with what it imports, ${megabytes(mb)}, ${PHASES[phase] ?? phase}`,
  );
