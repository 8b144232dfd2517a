import { lstat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { explainIgnore } from '../../shared/core/sync/ignore.ts';
import { readPlacedRules } from '../engine/rules.ts';
import { userDir } from './context.ts';
import { folderOf } from './host-folder.ts';
import type { Reporter } from './report.ts';

/** `sync --explain PATH`: which rule of which file decides, from where the user stands or from the folder's root. */
export async function explainPath(
  reporter: Reporter,
  given: string,
  flags: { readonly dir?: string },
): Promise<number> {
  const dir = await folderOf(flags);
  const path = relative(dir, resolve((await isThere(resolve(userDir(), given))) ? userDir() : dir, given))
    .split(sep)
    .join('/');
  if (path === '' || path.startsWith('../') || path === '..') {
    throw new DrydockError('usage', `${given} does not lie in ${dir}.`, { hint: 'Name the folder: --dir FOLDER' });
  }
  const isDir = given.endsWith('/') || ((await lstat(join(dir, path)).catch(() => null))?.isDirectory() ?? false);
  const { ignored, rule } = explainIgnore(await readPlacedRules(dir), path, isDir);
  const by = rule === null ? 'no rule names it' : `${rule.origin} ${rule.pattern}`;
  reporter.answer({ path, ignored, rule }, `${path} is ${ignored ? 'not synchronised' : 'synchronised'}: ${by}`);
  return 0;
}

const isThere = async (path: string): Promise<boolean> => (await lstat(path).catch(() => null)) !== null;
