/** The installed packages beside the project's requirements, and beside each other. */
import { dirname } from 'node:path';
import { z } from 'zod';
import type { ProbeReport, ProbeStep } from '../../shared/core/service.ts';
import type { ShellContext, WorkerContext } from '../service/worker.ts';
import { askWorker, list, step } from './ask.ts';
import { searchPath } from './search-path.ts';

const place = { file: z.string(), line: z.int(), wanted: z.string() };
const factsSchema = z.object({
  /** Those that were read. */
  files: z.array(z.string()),
  /** False where this Python has no parser of requirements. */
  compared: z.boolean(),
  /** Of requirements. */
  count: z.int(),
  /** `version` is the installed one; null when it is not there. */
  wrong: z.array(z.object({ ...place, name: z.string(), version: z.string().nullable() })),
  unread: z.array(z.object(place)),
  contradictions: z.array(
    z.object({
      package: z.string(),
      packageVersion: z.string(),
      wanted: z.string(),
      name: z.string(),
      version: z.string().nullable(),
    }),
  ),
});

export type PackageFacts = z.infer<typeof factsSchema>;

/** Packages that serve, and count even where no requirement names them. */
const SERVERS = ['azureml-inference-server-http', 'gunicorn', 'uvicorn', 'flask', 'fastapi', 'mlflow', 'azureml-core'];

export function probePackages(kitDir: string, context: ShellContext): Promise<ProbeReport> {
  return askWorker(kitDir, context, {
    probe: 'packages',
    file: 'packages.py',
    facts: factsSchema,
    spec: (worker, { cwd }) => ({
      folders: [cwd, ...(worker.entryScript === null ? [] : [dirname(worker.entryScript)])],
      servers: SERVERS,
      path: searchPath(worker),
    }),
    explain: explainPackages,
  });
}

/** A word that a shell takes as it is. */
const quoted = (text: string): string => (/^[\w.=-]+$/.test(text) ? text : `'${text.replaceAll("'", '')}'`);

/** conda's `joblib=0.17`, which is any 0.17.x, as pip writes it. */
const forPip = (wanted: string): string => wanted.replace(/^([\w.-]+)=([^=*]+?)(?:\.?\*)?$/, '$1==$2.*');

export function explainPackages(facts: PackageFacts, { interpreter }: Pick<WorkerContext, 'interpreter'>): ProbeStep[] {
  const { files, compared, wrong, unread, contradictions, count } = facts;
  if (!compared) {
    return [step('requirements', true, 'not compared: this Python has neither packaging nor pip')];
  }
  const steps = wrong.map(({ file, line, wanted, name, version }) => {
    const is = version === null ? `${name} is not installed` : `${name} ${version} is installed`;
    const hint =
      name === 'python'
        ? `build the image with that Python, or let the file say ${version ?? ''}`
        : `in the container's shell: ${interpreter} -m pip install ${quoted(forPip(wanted))}; or correct the line, if the service is right as it is`;
    return step(name, false, `${file}:${line} wants ${wanted}, and ${is}`, hint);
  });
  if (files.length === 0) steps.push(step('requirements', true, 'no requirements or conda file in the app’s folder'));
  else if (wrong.length === 0) steps.push(step('requirements', true, `${list(files)}: all ${count} lines fit`));
  if (unread.length > 0) {
    steps.push(step('not compared', true, list(unread.map(({ line, wanted }) => `${wanted} (line ${line})`))));
  }
  steps.push(
    ...contradictions.map((one) => {
      const is = one.version === null ? 'is not installed' : `${one.version} is installed`;
      return step(
        `${one.package} and ${one.name}`,
        false,
        `${one.package} ${one.packageVersion} wants ${one.wanted}, and ${one.name} ${is}`,
        `in the container's shell: ${interpreter} -m pip install ${quoted(one.package)} ${quoted(one.wanted)} finds versions that go together`,
      );
    }),
  );
  if (contradictions.length === 0) steps.push(step('packages together', true, 'none contradicts another'));
  return steps;
}
