/** The build context as a tar stream: the project, models, dependency folders and generated files. */
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import ignore, { type Ignore } from 'ignore';
import { pack, type Pack } from 'tar-stream';
import { readRules } from '../engine/rules.ts';
import type { GeneratedFile } from './layout.ts';

/** Never part of an image, whatever the project's own ignore files say. */
const NEVER = [
  '.git/',
  '.drydock/',
  '.venv/',
  'venv/',
  'node_modules/',
  '__pycache__/',
  '.ipynb_checkpoints/',
  '.DS_Store',
];

/** A file or folder of this machine and where it lies in the context. */
export interface Source {
  readonly from: string;
  readonly to: string;
  /** The project itself: its ignore files count. */
  readonly project?: true;
}

/** The engine’s build cache looks at content and modes, not at times. */
export async function* contextTar(
  sources: readonly Source[],
  generated: readonly GeneratedFile[],
): AsyncIterable<Uint8Array> {
  const tar = pack();
  const fill = async () => {
    const own = new Set(generated.map(({ path }) => path));
    for (const { path, mode, text } of generated) tar.entry({ name: path, mode }, text);
    for (const { from, to, project } of sources) {
      const rules = ignore().add(project === true ? [...NEVER, ...(await readRules(from))] : []);
      await addTree(tar, { from, to, path: '' }, rules, own);
    }
    tar.finalize();
  };
  fill().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  for await (const chunk of tar) yield chunk as Uint8Array;
}

interface At {
  /** Roots on disk and in the tar, and the path below both. */
  readonly from: string;
  readonly to: string;
  readonly path: string;
}

async function addTree(tar: Pack, at: At, rules: Ignore, own: ReadonlySet<string>): Promise<void> {
  const file = join(at.from, at.path);
  const stat = await lstat(file);
  const folder = stat.isDirectory();
  if (at.path !== '' && rules.ignores(folder ? `${at.path}/` : at.path)) return;
  const name = at.path === '' ? at.to : `${at.to}/${at.path}`;
  if (own.has(name)) return;
  const header = { name, mode: stat.mode & 0o777, mtime: stat.mtime };
  if (folder) {
    tar.entry({ ...header, type: 'directory' });
    for (const child of (await readdir(file)).sort()) {
      await addTree(tar, { ...at, path: at.path === '' ? child : `${at.path}/${child}` }, rules, own);
    }
  } else if (stat.isSymbolicLink()) {
    tar.entry({ ...header, type: 'symlink', linkname: await readlink(file) });
  } else if (stat.isFile()) {
    await pipeline(createReadStream(file), tar.entry({ ...header, size: stat.size }));
  }
}
