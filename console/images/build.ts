/** `drydock build`: an image in Azure's layout from a project's entry script, packages, models and steps. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Images, Place } from '../place/place.ts';
import { ensureBase, type BaseOptions } from './base.ts';
import { contextTar, type Source } from './context.ts';
import { explainBuild } from './explain.ts';
import { CONTEXT, dockerfile, generatedFiles, type ImagePlan } from './layout.ts';
import { CONDA_PREFIX, ensurePackages, type Downloads } from './packages.ts';
import { parseSteps, type StepsFile } from './steps.ts';

export interface ModelSource {
  readonly name: string;
  readonly version: number;
  /** File or folder: the one entry of the version's folder. */
  readonly path: string;
}

export interface BuildImageOptions {
  /** Absolute path of the project. */
  readonly dir: string;
  /** Path of the entry script in the project. */
  readonly entry: string;
  /** Text of the requirements or of the conda file; null when the base image holds everything. */
  readonly packages: { readonly kind: 'pip' | 'conda'; readonly text: string } | null;
  readonly models: readonly ModelSource[];
  /** Folders that appear under the app folder before the steps run, as Azure unpacks them. */
  readonly dependencies: readonly { readonly name: string; readonly path: string }[];
  readonly steps: readonly StepsFile[];
  /** 0 for root. */
  readonly uid: number;
  readonly tag: string;
  /** Drydock's own base when absent. */
  readonly base?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly downloads: Downloads;
  /** How Drydock's own base is made where no registry answers. */
  readonly debian?: Pick<BaseOptions, 'provideMmdebstrap' | 'rootfs'>;
  /** Takes a tag that something else holds. */
  readonly force?: boolean;
}

export interface BuildProgress {
  readonly stage: 'base' | 'packages' | 'image';
  readonly text: string;
}

export interface BuiltImage {
  readonly id: string;
  readonly tag: string;
  readonly ms: number;
}

/** Says that a tag is ours to move: made by a build of this project. */
const BUILT_FROM = 'io.drydock.built-from';

/** Rejects with `usage` for a wrong project, `taken` for another's tag, `not-well` with the reason of a failed step. */
export async function buildImage(
  place: Place,
  options: BuildImageOptions,
  onProgress: (progress: BuildProgress) => void,
): Promise<BuiltImage> {
  const started = performance.now();
  const { images } = place;
  if (images === undefined) {
    throw new DrydockError('usage', `${place.label} cannot build images.`, { hint: 'Choose a Docker engine.' });
  }
  const steps = options.steps.flatMap(parseSteps);
  await checkProject(options);
  await checkTag(images, options);
  const say = (stage: BuildProgress['stage']) => (text: string) => onProgress({ stage, text });
  const base = options.base ?? (await ensureBase(images, { onProgress: say('base'), ...options.debian }));
  const packages =
    options.packages === null
      ? base
      : await ensurePackages(
          place,
          images,
          { base, ...options.packages, downloads: options.downloads },
          say('packages'),
        );
  const plan = await planImage(options, packages);
  const files = [{ path: 'Dockerfile', mode: 0o644, text: dockerfile(plan) }, ...generatedFiles(plan)];
  let output = '';
  try {
    const id = await images.build(contextTar(sources(options), files), {
      dockerfile: 'Dockerfile',
      tags: [options.tag],
      labels: { ...options.labels, [BUILT_FROM]: options.dir },
      onOutput: (text) => {
        output += text;
        say('image')(text);
      },
    });
    return { id, tag: options.tag, ms: performance.now() - started };
  } catch (error) {
    if (error instanceof DrydockError && error.code === 'not-well') throw explainBuild(output, steps, error);
    throw error;
  }
}

async function planImage(options: BuildImageOptions, packages: string): Promise<ImagePlan> {
  const ownMain = options.entry === 'main.py' || (await kindOf(join(options.dir, 'main.py'))) === 'file';
  return {
    packages,
    ownMain,
    entry: options.entry,
    models: options.models,
    dependencies: options.dependencies.length > 0,
    steps: options.steps,
    uid: options.uid,
    condaPrefix: options.packages?.kind === 'conda' ? CONDA_PREFIX : null,
  };
}

function sources({ dir, models, dependencies }: BuildImageOptions): readonly Source[] {
  return [
    { from: dir, to: CONTEXT.app, project: true },
    ...models.map(({ name, version, path }) => ({
      from: path,
      to: `${CONTEXT.models}/${name}/${version}/${basename(path)}`,
    })),
    ...dependencies.map(({ name, path }) => ({ from: path, to: `${CONTEXT.dependencies}/${name}` })),
  ];
}

async function checkProject({ dir, entry, models, dependencies }: BuildImageOptions): Promise<void> {
  if ((await kindOf(dir)) !== 'folder') {
    throw new DrydockError('usage', `${dir} is no folder.`, { hint: 'Name the folder that holds the entry script.' });
  }
  if ((await kindOf(join(dir, entry))) !== 'file') {
    throw new DrydockError('usage', `${dir} holds no entry script ${entry}.`, {
      hint: 'Name it: drydock build DIR --entry online_score.py',
    });
  }
  for (const { name, path } of models) {
    if ((await kindOf(path)) === null) {
      throw new DrydockError('usage', `The model ${name} is not at ${path}.`, {
        hint: 'Give --model NAME[:VERSION]=PATH.',
      });
    }
  }
  for (const { path } of dependencies) {
    if ((await kindOf(path)) !== 'folder') {
      throw new DrydockError('usage', `The dependency ${path} is no folder.`, {
        hint: 'For the agent’s kit write it first: drydock kit ./drydock-kit',
      });
    }
  }
}

/** A tag that exists moves only when this project's build made it. */
async function checkTag(images: Images, { tag, dir, force }: BuildImageOptions): Promise<void> {
  const held = await images.inspect(tag);
  if (held === null || force === true || held.labels[BUILT_FROM] === dir) return;
  const name = tag.replace(/:[^:/]*$/, '');
  const used = (await images.tags(name)).map((text) => Number(text.slice(text.lastIndexOf(':') + 1)));
  const free = Math.max(0, ...used.filter(Number.isInteger)) + 1;
  throw new DrydockError('taken', `The tag ${tag} is an image that was not built from ${dir}.`, {
    hint: `Use the next free one: --tag ${name}:${free}. To take it anyway: --force`,
  });
}

async function kindOf(path: string): Promise<'file' | 'folder' | null> {
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  return found.isDirectory() ? 'folder' : 'file';
}
