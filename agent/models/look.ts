/** Where the service looks for a model's versions, and what stands in the way of putting another there. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Result } from '../../shared/core/protocol.ts';
import { modelPathFacts } from '../probes/model-path.ts';
import { mountPoints } from '../service/procfs.ts';
import { isWithin } from '../service/root.ts';
import type { ShellContext } from '../service/worker.ts';

export async function lookAtModel(kitDir: string, context: ShellContext, name: string): Promise<Result<'model.look'>> {
  const { worker } = context;
  const facts = worker === null ? null : await modelPathFacts(kitDir, context, worker, { model: name });
  if (worker === null || facts === null) {
    return { runs: worker !== null, asks: false, folder: null, mount: null, writable: false, modelDir: null, next: 1 };
  }
  const folder = resolve(facts.folder);
  const modelDir = facts.modelDir?.absolute ?? null;
  return {
    runs: true,
    asks: facts.calls.length > 0,
    folder,
    mount: mountBetween(folder, name),
    writable: isWritable(folder),
    modelDir,
    next: nextVersion(join(folder, name)),
  };
}

/** Versions are numbers, and compared as such; what is none does not count. */
export function nextVersion(folder: string): number {
  const entries = existsSync(folder) ? readdirSync(folder) : [];
  return entries.filter((entry) => /^\d+$/.test(entry)).reduce((max, entry) => Math.max(max, Number(entry)), 0) + 1;
}

/** The models' folder or the model's own, where it is a mount point: nothing can be renamed into it from outside. */
function mountBetween(folder: string, name: string): string | null {
  const model = join(folder, name);
  return mountPoints().findLast((point) => isWithin(point, folder) && isWithin(model, point)) ?? null;
}

/** Also the folder beside it, from which a version is renamed into place. */
function isWritable(folder: string): boolean {
  try {
    for (const path of [folder, dirname(folder)].filter(existsSync)) accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
