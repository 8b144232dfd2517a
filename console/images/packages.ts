/**
 * The image with the service's Python packages: base plus one layer, made once for the same base and requirements.
 *
 * The packages are installed in a throw-away container that is then committed. There a host's own certificate
 * authority and package index can be used without a trace: the certificates go to /dev/shm, which is no part of a
 * commit, and settings go into the environment of the one process, not of the container.
 */
import { createHash, randomBytes } from 'node:crypto';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Images, Place, Target } from '../place/place.ts';
import { contextTar } from './context.ts';
import { explainPip } from './explain.ts';

export const CONDA_PREFIX = '/azureml-envs/drydock';
const REPOSITORY = 'drydock-packages';
/** pip keeps downloads in a volume; /mnt exists in every base, so that no folder is left behind. */
const CACHE = { volume: 'drydock-pip-cache', path: '/mnt' };

export interface Downloads {
  /** PEM of the certificate authorities that this machine trusts; null when containers need no others. */
  readonly certificates: string | null;
  /** pip's and proxies' settings of this machine: PIP_INDEX_URL, HTTPS_PROXY, … */
  readonly env: Readonly<Record<string, string>>;
}

export interface PackagesSpec {
  readonly base: string;
  readonly kind: 'pip' | 'conda';
  /** Text of the requirements or of the conda file. */
  readonly text: string;
  readonly downloads: Downloads;
}

export async function ensurePackages(
  place: Place,
  images: Images,
  spec: PackagesSpec,
  onProgress: (text: string) => void,
): Promise<string> {
  const base = await images.inspect(spec.base);
  if (base === null) {
    throw new DrydockError('usage', `There is no image ${spec.base} on ${place.label}.`, {
      hint: `Pull it first (docker pull ${spec.base}), or leave --base out.`,
    });
  }
  const digest = createHash('sha256')
    .update(JSON.stringify([base.id, spec.kind, spec.text, INSTALL]))
    .digest('hex');
  const tag = `${REPOSITORY}:${digest.slice(0, 12)}`;
  if ((await images.inspect(tag)) !== null) return tag;
  const idle = await images.build(
    contextTar([], [{ path: 'Dockerfile', mode: 0o644, text: idleDockerfile(spec.base) }]),
    {
      dockerfile: 'Dockerfile',
      tags: [],
      labels: {},
      onOutput: () => undefined,
    },
  );
  const { id } = await images.run({
    image: idle,
    name: `${REPOSITORY}-${randomBytes(4).toString('hex')}`,
    labels: { 'io.drydock.throwaway': 'packages' },
    ports: [],
    mounts: [{ type: 'volume', source: CACHE.volume, destination: CACHE.path, writable: true }],
    autoRemove: true,
  });
  const target = await place.open(id);
  try {
    await install(target, spec, onProgress);
    onProgress('keeping them as a layer');
    try {
      await commit(target, tag);
    } catch (error) {
      // Another build of the same may have kept them meanwhile.
      if ((await images.inspect(tag)) === null) throw error;
    }
  } finally {
    await target.lifecycle?.stop(0);
  }
  return tag;
}

/** A container that waits, and ends by itself should we be killed. */
function idleDockerfile(base: string): string {
  return `FROM ${base}\nUSER root\nENTRYPOINT []\nCMD ["sleep", "3600"]\n`;
}

/** Sizes of the two inputs in bytes come as arguments, the inputs on stdin: no half-close is needed. */
const INSTALL = {
  pip: 'exec python3 -m pip install --root-user-action=ignore --progress-bar=off --disable-pip-version-check -r "$d/input"',
  conda: [
    'command -v conda >/dev/null || { echo "drydock: no conda"; exit 90; }',
    `mv "$d/input" "$d/env.yml"; exec conda env create --prefix ${CONDA_PREFIX} --file "$d/env.yml"`,
  ].join('\n'),
};
const PREPARE = [
  'set -eu; umask 077; d=$(mktemp -d /dev/shm/drydock.XXXXXX)',
  'head -c "$1" >"$d/ca.pem"; head -c "$2" >"$d/input"; umask 022',
  'if [ "$1" -gt 0 ]; then export PIP_CERT="$d/ca.pem" SSL_CERT_FILE="$d/ca.pem" REQUESTS_CA_BUNDLE="$d/ca.pem"; fi',
];

async function install(target: Target, spec: PackagesSpec, onProgress: (text: string) => void): Promise<void> {
  const certificates = Buffer.from(spec.downloads.certificates ?? '');
  const input = Buffer.from(spec.text);
  const script = [...PREPARE, INSTALL[spec.kind]].join('\n');
  const child = await target.spawn(['sh', '-c', script, 'sh', String(certificates.length), String(input.length)], {
    user: 'root',
    env: { PIP_CACHE_DIR: CACHE.path, ...spec.downloads.env },
  });
  child.stdio.write(Buffer.concat([certificates, input]));
  let output = '';
  const note = (data: Buffer) => {
    const text = data.toString();
    output = (output + text).slice(-64 * 1024);
    for (const line of text.split('\n').filter((part) => part.trim() !== '')) onProgress(line.trim());
  };
  child.stdio.on('data', note);
  child.stderr.on('data', note);
  const code = await child.exit;
  if (code === 0) return;
  if (code === 90) {
    throw new DrydockError('usage', `--conda needs conda, and ${spec.base} has none.`, {
      hint: 'Give an image with conda (--base IMAGE, such as Azure’s mcr.microsoft.com/azureml/…), or list the packages in a requirements.txt.',
    });
  }
  throw explainPip(output, spec.base);
}

async function commit(target: Target, tag: string): Promise<void> {
  if (target.commit === undefined) throw new Error('a place with images can commit');
  await target.commit({
    tag,
    pause: false,
    message: 'Python packages',
    labels: { 'io.drydock.cache': 'packages' },
    env: {},
  });
}
