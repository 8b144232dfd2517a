/** From what a side holds to what it should hold: its changes, in an order in which each can be made. */
import type { Change } from './endpoint.ts';
import { byCodeUnits, entryOf, join, sameEntry, sortedChildren, type DirNode, type Node, type Path } from './tree.ts';

/**
 * Deletes first, the deepest first; then what is made or replaced, folders before what they hold. A folder
 * against something else is a delete and then a create: that swap has no single step.
 */
export function diff(from: DirNode, to: DirNode): Change[] {
  const deletes: Change[] = [];
  const creates: Change[] = [];
  diffFolders('', from, to, deletes, creates);
  return [...deletes, ...creates];
}

function diffFolders(path: Path, from: DirNode, to: DirNode, deletes: Change[], creates: Change[]): void {
  if (from === to) return;
  const names: string[] = [];
  for (const [name, node] of from.children) if (to.children.get(name) !== node) names.push(name);
  for (const name of to.children.keys()) if (!from.children.has(name)) names.push(name);
  for (const name of names.sort(byCodeUnits)) {
    diffNodes(join(path, name), from.children.get(name) ?? null, to.children.get(name) ?? null, deletes, creates);
  }
}

function diffNodes(path: Path, from: Node | null, to: Node | null, deletes: Change[], creates: Change[]): void {
  if (from?.kind === 'dir' && to?.kind === 'dir') {
    diffFolders(path, from, to, deletes, creates);
  } else if (from !== null && to !== null && from.kind !== 'dir' && to.kind !== 'dir') {
    if (!sameEntry(from, to)) creates.push({ path, before: entryOf(from), after: entryOf(to) });
  } else {
    if (from !== null) remove(path, from, deletes);
    if (to !== null) create(path, to, creates);
  }
}

function remove(path: Path, node: Node, deletes: Change[]): void {
  if (node.kind === 'dir') for (const [name, child] of sortedChildren(node)) remove(join(path, name), child, deletes);
  deletes.push({ path, before: entryOf(node), after: null });
}

function create(path: Path, node: Node, creates: Change[]): void {
  creates.push({ path, before: null, after: entryOf(node) });
  if (node.kind === 'dir') for (const [name, child] of sortedChildren(node)) create(join(path, name), child, creates);
}
