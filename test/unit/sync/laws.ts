/** What every plan must keep, whatever the three trees. Throws with the trees when one does not. */
import { reconcile, type Plan } from '../../../shared/core/sync/reconcile.ts';
import type { Trees } from '../../../shared/core/sync/agree.ts';
import type { Change } from '../../../shared/core/sync/endpoint.ts';
import {
  equal,
  hasOpaque,
  nodeAt,
  sameEntry,
  entryOf,
  type DirNode,
  type Node,
  type Path,
} from '../../../shared/core/sync/tree.ts';
import { applyStrictly, filesOf, show } from '../../support/trees.ts';

export interface Settled extends Trees {
  readonly plan: Plan;
}

export function settle(trees: Trees): Settled {
  const plan = reconcile(trees);
  const host = applyStrictly(trees.host, plan.host);
  const container = applyStrictly(trees.container, plan.container);
  const { base } = reconcile({ base: plan.agreed.base, host, container }).agreed;
  return { plan, base, host, container };
}

export function checkLaws(trees: Trees): void {
  const problem = problemOf(trees);
  if (problem === null) return;
  const { base, host, container } = trees;
  throw new Error([problem, 'BASE', ...show(base), 'HOST', ...show(host), 'CONTAINER', ...show(container)].join('\n'));
}

function problemOf(trees: Trees): string | null {
  const after = settle(trees);
  const { plan } = after;

  const again = reconcile(after);
  if (again.host.length + again.container.length > 0) {
    return `not settled in one round: ${JSON.stringify([...again.host, ...again.container])}`;
  }
  if (again.agreed.moves.length > 0) return `the base still moves: ${JSON.stringify(again.agreed.moves)}`;
  if (plan.frozen.length === 0) {
    if (!equal(after.host, after.container)) return 'the sides differ';
    if (!equal(after.base, after.host)) return 'the base is not what both hold';
  }

  // S1, S4: what a side's owner changed keeps its path on the host, and its bytes on both.
  const onlyJournal = plan.conflicts.filter(({ kept }) => kept === null).map(({ path }) => path);
  for (const [path, file] of filesOf(trees.host)) {
    const old = nodeAt(trees.base, path);
    if (old?.kind === 'file' && old.digest === file.digest) continue;
    const now = nodeAt(after.host, path);
    if (now?.kind !== 'file' || now.digest !== file.digest) return `the host's ${path} is lost`;
  }
  const digests = new Set([...filesOf(after.host), ...filesOf(after.container)].map(([, { digest }]) => digest));
  for (const [path, file] of filesOf(trees.container)) {
    const old = nodeAt(trees.base, path);
    if (old?.kind === 'file' && old.digest === file.digest) continue;
    if (onlyJournal.some((top) => path === top || path.startsWith(`${top}/`))) continue;
    if (!digests.has(file.digest)) return `the container's ${path} is lost`;
  }

  // S5: what goes was known and unchanged.
  const conflicts = new Set(plan.conflicts.map(({ path }) => path));
  for (const { path, before, after: then } of [...plan.host, ...plan.container]) {
    if (then !== null || before === null || before.kind === 'dir') continue;
    const known = entryAt(trees.base, path);
    const inConflict = [...conflicts].some((top) => path === top || path.startsWith(`${top}/`));
    if (!sameEntry(known, before) && !inConflict) return `${path} is deleted and was not known so`;
  }
  for (const change of plan.host) {
    if (isOverwrite(change) && !sameDigest(entryAt(trees.base, change.path), change.before)) {
      return `the host's ${change.path} is overwritten and was not known so`;
    }
  }

  // Frozen subtrees are left alone on both sides.
  for (const { path } of plan.frozen) {
    for (const change of [...plan.host, ...plan.container]) {
      if (change.path === path || change.path.startsWith(`${path}/`)) return `${path} is frozen and changed`;
    }
  }
  return symmetry(trees, after);
}

/** With the sides swapped the same bytes are kept, at the same paths unless there is a conflict. */
function symmetry({ base, host, container }: Trees, after: Settled): string | null {
  const mirrored = settle({ base, host: container, container: host });
  if (mirrored.plan.conflicts.length !== after.plan.conflicts.length) return 'other conflicts when swapped';
  if (after.plan.conflicts.length === 0 && !equal(mirrored.host, after.container)) return 'another result when swapped';
  if (hasOpaque(host) || hasOpaque(container)) return null;
  const journaled = after.plan.conflicts.some(({ kept }) => kept === null);
  return journaled || same(digestsOf(mirrored.host), digestsOf(after.host)) ? null : 'other bytes when swapped';
}

const digestsOf = (root: Node): string[] => [...new Set(filesOf(root).map(([, { digest }]) => digest))].sort();
const same = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();

function entryAt(root: DirNode, path: Path) {
  const found = nodeAt(root, path);
  return found === null || found.kind === 'opaque' ? null : entryOf(found);
}

function isOverwrite({ before, after }: Change): boolean {
  return before?.kind === 'file' && after?.kind === 'file' && before.digest !== after.digest;
}

function sameDigest(a: Change['before'], b: Change['before']): boolean {
  return a?.kind === 'file' && b?.kind === 'file' && a.digest === b.digest;
}
