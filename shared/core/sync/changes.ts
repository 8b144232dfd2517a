/** From what a side holds to what it should hold: its changes, in an order in which each can be made. */
import type { Change } from './endpoint.ts';
import { differing } from './agree.ts';
import { byCodeUnits, entryOf, join, sameEntry, sortedChildren, type DirNode, type Node, type Path } from './tree.ts';

export class Changes {
  #deletes: Change[] = [];
  #creates: Change[] = [];

  /** A folder against something else is a delete and then a create: that swap has no single step. */
  add(path: Path, from: Node | null, to: Node | null): void {
    if (from === to) return;
    if (from?.kind === 'dir' && to?.kind === 'dir') {
      this.#folders(path, from, to);
    } else if (from !== null && to !== null && from.kind !== 'dir' && to.kind !== 'dir') {
      if (!sameEntry(from, to)) this.#creates.push({ path, before: entryOf(from), after: entryOf(to) });
    } else {
      if (from !== null) this.#remove(path, from);
      if (to !== null) this.#create(path, to);
    }
  }

  /** Takes back what was added for a path and below it. */
  forget(path: Path): void {
    const isOther = (change: Change) => change.path !== path && !change.path.startsWith(`${path}/`);
    this.#deletes = this.#deletes.filter(isOther);
    this.#creates = this.#creates.filter(isOther);
  }

  /** Deletes first, the deepest first; then what is made or replaced, folders before what they hold. */
  ordered(): Change[] {
    return [...this.#deletes, ...this.#creates];
  }

  #folders(path: Path, from: DirNode, to: DirNode): void {
    for (const name of differing(from, from, to).sort(byCodeUnits)) {
      this.add(join(path, name), from.children.get(name) ?? null, to.children.get(name) ?? null);
    }
  }

  #remove(path: Path, node: Node): void {
    if (node.kind === 'dir') for (const [name, child] of sortedChildren(node)) this.#remove(join(path, name), child);
    this.#deletes.push({ path, before: entryOf(node), after: null });
  }

  #create(path: Path, node: Node): void {
    this.#creates.push({ path, before: null, after: entryOf(node) });
    if (node.kind === 'dir') for (const [name, child] of sortedChildren(node)) this.#create(join(path, name), child);
  }
}
