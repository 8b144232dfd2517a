import { DrydockError } from '../../shared/core/errors.ts';
import type { DirNode, Path } from '../../shared/core/sync/tree.ts';
import { versionSize } from '../app/format.ts';
import { sizeAt } from '../engine/sync/compare.ts';
import { withHost } from '../engine/sync/host-disk.ts';
import { conflictsIn, type Conflict } from '../engine/sync/rows.ts';
import type { Take } from '../engine/view.ts';
import { folderOf, withFolder } from './host-folder.ts';
import type { Reporter } from './report.ts';

export interface ConflictFlags {
  readonly dir?: string;
  readonly take?: Take;
}

/** Lists what was changed on both sides, or settles it: those that are named, else all; one that cannot be is told, and the next is. */
export async function conflicts(reporter: Reporter, paths: readonly string[], flags: ConflictFlags): Promise<number> {
  const dir = await folderOf(flags);
  const { take } = flags;
  if (take === undefined) return list(reporter, dir, paths);
  return withFolder(dir, async (actions) => {
    const all = await withHost(dir, async (host) => conflictsIn(await treeOf(host, dir)));
    const chosen = choose(all, paths, dir);
    let left = all.length;
    for (const conflict of chosen) {
      const { path } = conflict;
      try {
        const to = await actions.settle(conflict, take);
        reporter.answer({ path, take, to }, `✓ ${path}: ${WORDS[take](to)}`);
        left--;
      } catch (error) {
        if (!(error instanceof DrydockError)) throw error;
        reporter.answer({ path, take, error: error.toInfo() }, `✗ ${error.message}\n  ${error.hint ?? ''}`);
      }
    }
    return left > 0 ? 5 : 0;
  });
}

const WORDS: Readonly<Record<Take, (to: Path | null) => string>> = {
  host: () => 'this machine’s version stays; the container’s is in the journal (drydock undo)',
  container: () => 'the container’s version took its place; this machine’s is in the journal (drydock undo)',
  both: (to) => `both stay, the container’s as ${to ?? ''}`,
};

async function list(reporter: Reporter, dir: string, paths: readonly string[]): Promise<number> {
  return withHost(dir, async (host) => {
    const tree = await treeOf(host, dir);
    const chosen = choose(conflictsIn(tree), paths, dir);
    for (const { path, kept } of chosen) {
      const [ours, theirs] = [sizeAt(tree, path), sizeAt(tree, kept)];
      const text = `${path}  ${versionSize(ours)} on this machine, ${versionSize(theirs)} in the container: ${kept}`;
      reporter.answer({ path, kept, host: ours, container: theirs }, text);
    }
    if (chosen.length === 0) reporter.say('No conflicts.');
    else reporter.say('Settle them: drydock conflicts --take host|container|both [PATH…]');
    return chosen.length === 0 ? 0 : 5;
  });
}

async function treeOf(host: { scan(): Promise<{ root: DirNode | null }> }, dir: string): Promise<DirNode> {
  const { root } = await host.scan();
  if (root !== null) return root;
  throw new DrydockError('usage', `There is no folder ${dir}.`, { hint: 'Name it: drydock conflicts --dir FOLDER' });
}

/** By the path or by the copy's. */
function choose(all: readonly Conflict[], paths: readonly string[], dir: string): readonly Conflict[] {
  if (paths.length === 0) return all;
  const missing = paths.find((path) => !all.some((one) => one.path === path || one.kept === path));
  if (missing !== undefined) {
    throw new DrydockError('usage', `There is no conflict at ${missing} in ${dir}.`, {
      hint: 'drydock conflicts lists them, with paths from that folder.',
    });
  }
  return all.filter(({ path, kept }) => paths.includes(path) || paths.includes(kept));
}
