/** The first half of a round: what both sides hold already becomes base, and one shared node in all three trees. */
import { childOf, entryOf, join, patch, sameEntry, type DirNode, type Entry, type Node, type Path } from './tree.ts';

/** A path of the base that moved. Null and a new kind drop what was below; a folder keeps it. */
export type BaseMove = readonly [Path, Entry | null];

export interface Trees {
  readonly base: DirNode;
  readonly host: DirNode;
  readonly container: DirNode;
}

export interface Agreement extends Trees {
  readonly moves: readonly BaseMove[];
}

type Triple = readonly [base: Node | null, host: Node | null, container: Node | null];

export function agree({ base, host, container }: Trees): Agreement {
  const moves: BaseMove[] = [];
  const [b, h, c] = agreeDirs('', base, host, container, moves);
  return { base: b, host: h, container: c, moves };
}

function agreeAt(path: Path, [b, h, c]: Triple, moves: BaseMove[]): Triple {
  if (h === null && c === null) {
    if (b !== null) moves.push([path, null]);
    return [null, null, null];
  }
  // A kind that only one side has, or that must be left alone, is for the merge.
  if (h === null || c === null || h.kind === 'opaque' || c.kind === 'opaque') return [b, h, c];
  if (h.kind === 'dir' && c.kind === 'dir') {
    if (b?.kind === 'dir') return agreeDirs(path, b, h, c, moves);
    moves.push([path, { kind: 'dir' }]);
    return agreeDirs(path, { kind: 'dir', children: new Map() }, h, c, moves);
  }
  if (!sameEntry(h, c)) return [b, h, c];
  if (b !== null && sameEntry(b, h)) return [b, b, b];
  moves.push([path, entryOf(h)]);
  return [h, h, h];
}

function agreeDirs(
  path: Path,
  base: DirNode,
  host: DirNode,
  container: DirNode,
  moves: BaseMove[],
): readonly [DirNode, DirNode, DirNode] {
  if (host === container && container === base) return [base, host, container];
  const changes: Record<'base' | 'host' | 'container', [string, Node | null][]> = { base: [], host: [], container: [] };
  let same = true;
  for (const name of differing(base, host, container)) {
    const children = [childOf(base, name), childOf(host, name), childOf(container, name)] as const;
    const [b, h, c] = agreeAt(join(path, name), children, moves);
    if (b !== h || h !== c) same = false;
    changes.base.push([name, b]);
    changes.host.push([name, h]);
    changes.container.push([name, c]);
  }
  const agreed = patch(base, changes.base);
  if (same) return [agreed, agreed, agreed];
  return [agreed, patch(host, changes.host), patch(container, changes.container)];
}

/** Names whose nodes are not one and the same object in all three folders. */
export function differing(base: DirNode | null, host: DirNode, container: DirNode): string[] {
  // Mostly one side was edited, and two of the three folders are one object.
  if (base === container) return differingTwo(host.children, container.children);
  if (base === host) return differingTwo(container.children, host.children);
  const names = differingTwo(host.children, container.children);
  if (base === null || host === container) {
    return base === null
      ? [...new Set([...host.children.keys(), ...names])]
      : differingTwo(host.children, base.children);
  }
  const known = new Set(names);
  for (const name of differingTwo(host.children, base.children)) if (!known.has(name)) names.push(name);
  return names;
}

function differingTwo(a: ReadonlyMap<string, Node>, b: ReadonlyMap<string, Node>): string[] {
  const names: string[] = [];
  let common = 0;
  for (const [name, node] of a) {
    const other = b.get(name);
    if (other !== undefined) common++;
    if (other !== node) names.push(name);
  }
  if (common < b.size) for (const name of b.keys()) if (!a.has(name)) names.push(name);
  return names;
}
