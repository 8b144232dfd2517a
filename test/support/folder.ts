/** A real temporary folder for tests, as another program would use it. */
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outside } from '../contract/endpoint.ts';

export interface Folder {
  readonly root: string;
  readonly outside: Outside;
}

export interface TestFolder extends Folder {
  /** Holds `root` and whatever lies beside it. */
  readonly base: string;
  remove(): Promise<void>;
}

export async function testFolder(): Promise<TestFolder> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'drydock-disk-')));
  const root = join(base, 'root');
  await mkdir(root);
  return { base, root, outside: outsideOf(root), remove: () => rm(base, { recursive: true, force: true }) };
}

function outsideOf(root: string): Outside {
  let next = 0;
  return {
    write: (path, content) => writeFile(join(root, path), content),
    writeOver: async (path, content) => {
      next += 1;
      const beside = join(root, `${path}.${next}.ign`);
      await writeFile(beside, content);
      await rename(beside, join(root, path));
    },
    mkdir: async (path) => {
      await mkdir(join(root, path), { recursive: true });
    },
    link: (path, target) => symlink(target, join(root, path)),
    setExec: (path, exec) => chmod(join(root, path), exec ? 0o755 : 0o644),
    rename: (from, to) => rename(join(root, from), join(root, to)),
    remove: (path) => rm(join(root, path), { recursive: true }),
    read: async (path) => ((await isFile(join(root, path))) ? readFile(join(root, path)) : null),
    list: async () => (await listBelow(root, '')).sort(),
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch {
    return false;
  }
}

/** Not `readdir`'s own recursion, which goes through links. */
async function listBelow(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const lists = entries.map(async (entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? [path, ...(await listBelow(root, path))] : [path];
  });
  return (await Promise.all(lists)).flat();
}
