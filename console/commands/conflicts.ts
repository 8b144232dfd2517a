import { DrydockError } from '../../shared/core/errors.ts';
import { nodeAt, type DirNode, type Path } from '../../shared/core/sync/tree.ts';
import { bytes } from '../app/format.ts';
import { withHost } from '../engine/sync/host-disk.ts';
import { conflictsIn, type Conflict } from '../engine/sync/rows.ts';
import type { Take } from '../engine/view.ts';
import { folderOf, withFolder } from './host-folder.ts';
import type { Reporter } from './report.ts';

export interface ConflictFlags {
  readonly dir?: string;
  readonly take?: Take;
}

/** Lists what was changed on both sides, or settles it: those that are named, else all. */
export async function conflicts(reporter: Reporter, paths: readonly string[], flags: ConflictFlags): Promise<number> {
  const dir = await folderOf(flags);
  const { take } = flags;
  if (take === undefined) return list(reporter, dir, paths);
  return withFolder(dir, async (actions) => {
    const all = await withHost(dir, async (host) => conflictsIn(await treeOf(host, dir)));
    const chosen = choose(all, paths, dir);
    for (const conflict of chosen) {
      const to = await actions.settle(conflict, take);
      reporter.answer({ path: conflict.path, take, to }, `✓ ${conflict.path}: ${WORDS[take](to)}`);
    }
    return all.length > chosen.length ? 5 : 0;
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
      const [ours, theirs] = [sizeOf(tree, path), sizeOf(tree, kept)];
      const text = `${path}  ${shown(ours)} on this machine, ${shown(theirs)} in the container: ${kept}`;
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

/** Bytes; null where there is no file. */
function sizeOf(tree: DirNode, path: Path): number | null {
  const node = nodeAt(tree, path);
  return node?.kind === 'file' ? node.size : null;
}

const shown = (size: number | null): string => (size === null ? 'no file' : bytes(size));
