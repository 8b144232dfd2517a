/** The kit that goes into a container: Node, the agent's bundle, its Python, as `npm run build` made it. */
import { createReadStream } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { DrydockError } from '../../shared/core/errors.ts';
import type { FilledVolume, Mount } from '../place/place.ts';

/** Where the kit lies in every container. */
export const KIT_DIR = '/opt/drydock';

/** Where it lies beside one of another build that cannot be replaced, since it is mounted. */
const BESIDE_DIR = '/opt/drydock-beside';

export const KIT_DIRS = [KIT_DIR, BESIDE_DIR] as const;

/** The first process of a container that Drydock makes: `sh LAUNCHER COMMAND…`. */
export const LAUNCHER = `${KIT_DIR}/launch.sh`;

/** The last of the kit's files to be written: where it is, all are. */
const LAST = 'VERSION';

/** Bytes read at once: Node alone is 100 MB. */
const CHUNK = 1024 * 1024;

export interface Kit {
  /** Digest of the build: an agent of another one is replaced. */
  readonly build: string;
  readonly arch: 'x64' | 'arm64';
  readonly bytes: number;
  /** A tar to unpack at `/`, where it becomes `dir`. */
  tar(dir: string): AsyncIterable<Uint8Array>;
}

/** A volume holds the kit of the build that started the container, and of it alone. */
export function kitDirIn(mounts: readonly Mount[], kit: Kit): string {
  const mounted = mounts.find(({ destination }) => destination === KIT_DIR);
  const isOurs = mounted === undefined || mounted.writable || mounted.source === kitVolume(kit).name;
  return isOurs ? KIT_DIR : BESIDE_DIR;
}

const VOLUME_LABEL = 'io.drydock.kit';

/** The kit as a volume of the engine, one a build: commits stay clean of it, and containers share its pages. */
export function kitVolume(kit: Kit): FilledVolume {
  const name = `drydock-kit-${kit.build}`;
  return { name, label: VOLUME_LABEL, path: KIT_DIR, last: `${KIT_DIR}/${LAST}`, tar: () => kit.tar(KIT_DIR) };
}

export async function openKit(dir: string): Promise<Kit> {
  let build: string;
  try {
    build = (await readFile(join(dir, LAST), 'utf8')).trim();
  } catch (cause) {
    throw new DrydockError('no-agent', `The kit is not in ${dir}.`, {
      hint: 'Run `npm run build` in the checkout.',
      cause,
    });
  }
  const files = await kitFiles(dir);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { build, arch: 'x64', bytes, tar: (to) => kitTar(dir, files, to) };
}

interface KitFile {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
}

async function kitFiles(dir: string): Promise<KitFile[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const last = join(dir, LAST);
  files.sort((a, b) => Number(a === last) - Number(b === last));
  return Promise.all(
    files.map(async (path) => {
      const { size, mode } = await stat(path);
      return { path, size, mode };
    }),
  );
}

async function* kitTar(dir: string, files: readonly KitFile[], to: string): AsyncIterable<Uint8Array> {
  const tar = pack();
  const fill = async () => {
    for (const { path, size, mode } of files) {
      const name = join(to, relative(dir, path)).slice(1);
      await pipeline(
        createReadStream(path, { highWaterMark: CHUNK }),
        tar.entry({ name, size, mode: mode & 0o755, uid: 0, gid: 0 }),
      );
    }
    tar.finalize();
  };
  fill().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  for await (const chunk of tar) yield chunk as Uint8Array;
}
