/** The base image: Python and runit on Debian, from a registry where one answers, else made on this machine. */
import { createHash } from 'node:crypto';
import { execa } from 'execa';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Images } from '../place/place.ts';
import { contextTar } from './context.ts';
import { MMDEBSTRAP } from './debian.mjs';

const TAG = 'drydock-base:bookworm-1';
const RECIPE = 'io.drydock.recipe';
const REGISTRY_IMAGE = 'python:3.11-slim';
/** Milliseconds until a registry must have said something. */
const REGISTRY_PATIENCE = 10_000;

/** `runsvdir` needs runit, the services' `finish` needs killall of psmisc. */
const REGISTRY_DOCKERFILE = [
  `FROM ${REGISTRY_IMAGE}`,
  'RUN apt-get update && apt-get install -y --no-install-recommends runit psmisc && rm -rf /var/lib/apt/lists/*',
  'CMD ["runsvdir", "/var/runit"]',
  '',
].join('\n');

const IMPORT_CHANGES = [
  'CMD ["runsvdir", "/var/runit"]',
  // Debian's pip refuses to install beside the system's Python; in an image that is the point.
  'ENV PIP_BREAK_SYSTEM_PACKAGES=1',
];

export interface BaseOptions {
  readonly onProgress: (text: string) => void;
  /** Called before mmdebstrap is run, to install it where the caller may. */
  readonly provideMmdebstrap?: () => Promise<void>;
  /** What mmdebstrap wrote already, if it did; taken instead of running it. */
  readonly rootfs?: AsyncIterable<Uint8Array>;
}

/** The tag of the base image, made once: its label says from which recipe. */
export async function ensureBase(images: Images, options: BaseOptions): Promise<string> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([REGISTRY_DOCKERFILE, MMDEBSTRAP, IMPORT_CHANGES]))
    .digest('hex')
    .slice(0, 12);
  if ((await images.inspect(TAG))?.labels[RECIPE] === recipe) return TAG;
  if (await pulled(images, options)) {
    options.onProgress(`building ${TAG} from ${REGISTRY_IMAGE}`);
    await images.build(contextTar([], [{ path: 'Dockerfile', mode: 0o644, text: REGISTRY_DOCKERFILE }]), {
      dockerfile: 'Dockerfile',
      tags: [TAG],
      labels: { [RECIPE]: recipe },
      onOutput: options.onProgress,
    });
  } else {
    options.onProgress('no registry answers: making Debian 12 with mmdebstrap (about 30 s)');
    if (options.rootfs === undefined) await options.provideMmdebstrap?.();
    const rootfs = options.rootfs ?? mmdebstrap(options.onProgress);
    await images.import(rootfs, TAG, [...IMPORT_CHANGES, `LABEL ${RECIPE}=${recipe}`]);
  }
  return TAG;
}

async function pulled(images: Images, { onProgress }: BaseOptions): Promise<boolean> {
  if ((await images.inspect(REGISTRY_IMAGE)) !== null) return true;
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), REGISTRY_PATIENCE);
  try {
    await images.pull(
      REGISTRY_IMAGE,
      (text) => {
        clearTimeout(timer);
        onProgress(text);
      },
      silent.signal,
    );
    return true;
  } catch {
    return false; // no registry, or none that has it: Debian's mirrors are the other way
  } finally {
    clearTimeout(timer);
  }
}

/** A root file system as tar. Throws at its end when mmdebstrap failed, so that half a system never becomes an image. */
async function* mmdebstrap(onProgress: (text: string) => void): AsyncIterable<Uint8Array> {
  const said: string[] = [];
  const child = execa('mmdebstrap', MMDEBSTRAP, { stdin: 'ignore', buffer: false, reject: false, encoding: 'buffer' });
  child.stderr.on('data', (data: Buffer) => {
    for (const line of data
      .toString()
      .split('\n')
      .filter((text) => text.startsWith('I: ')))
      onProgress(line.slice(3));
    said.push(data.toString());
  });
  for await (const chunk of child.stdout) yield chunk as Uint8Array;
  const result = await child;
  if (result.failed) {
    throw new DrydockError(
      'not-well',
      `mmdebstrap could not make the base image: ${said.join('').trim().slice(-600)}`,
      {
        hint: 'Install it (`apt-get install mmdebstrap`, Debian or Ubuntu, as root) with a mirror in reach, or give an image with Python and runit: --base IMAGE',
        cause: result,
      },
    );
  }
}
