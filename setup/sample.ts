/** The sample scoring project as an image, made as a user's project is made. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, type BuildProgress, type BuiltImage } from '../console/images/build.ts';
import { readBuildOptions } from '../console/images/project.ts';
import type { Place } from '../console/place/place.ts';
import { aptInstall, findProgram, mayInstall } from './engine/install.mjs';
import { takeRootfs } from './prefetch.mjs';

export const CHECKOUT = join(import.meta.dirname, '..');
export const SAMPLE = join(CHECKOUT, 'examples', 'diabetes');
export const KIT = join(CHECKOUT, 'dist', 'kit');

export interface SampleOptions {
  /** The sample, or a copy of it. */
  readonly dir: string;
  readonly tag: string;
  /** 0 for root. */
  readonly uid: number;
  /** With the agent's kit in it, by the top-level Dockerfile.steps. */
  readonly kit: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
}

export async function buildSample(
  place: Place,
  { dir, tag, uid, kit, labels, env }: SampleOptions,
  onProgress: (progress: BuildProgress) => void,
): Promise<BuiltImage> {
  const flags = { steps: 'Dockerfile.steps', user: uid === 0 ? 'root' : String(uid), tag };
  const options = await readBuildOptions(dir, flags, { cwd: dir, env });
  const steps = await readFile(join(CHECKOUT, 'Dockerfile.steps'), 'utf8');
  const rootfs = await takeRootfs(env);
  return buildImage(
    place,
    {
      ...options,
      dependencies: kit ? [{ name: 'drydock-kit', path: KIT }] : [],
      steps: kit ? [...options.steps, { name: 'Dockerfile.steps of Drydock', text: steps }] : options.steps,
      labels: labels ?? {},
      debian: { provideMmdebstrap: () => provideMmdebstrap(env), ...(rootfs === null ? {} : { rootfs }) },
    },
    onProgress,
  );
}

/** Where we may: elsewhere mmdebstrap's absence says itself what to do. */
export async function provideMmdebstrap(env: NodeJS.ProcessEnv): Promise<void> {
  if (findProgram('mmdebstrap', env) === null && mayInstall(env)) {
    await aptInstall(['mmdebstrap'], { note: () => undefined, env });
  }
}
