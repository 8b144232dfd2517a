/**
 * The second half of a round: what both sides should hold, by a three-way merge of every path.
 *
 * The two results are equal but for what is frozen: an opaque node stays where it is, with the folders above it, and
 * nothing is made, replaced or deleted at or below its path on either side.
 */
import { differing, type Trees } from './agree.ts';
import { copyNames } from './copy-name.ts';
import {
  byCodeUnits,
  childOf,
  equal,
  hasOpaque,
  join,
  patch,
  type DirNode,
  type FileNode,
  type Node,
  type OpaqueReason,
  type Path,
  type Side,
} from './tree.ts';

/** Both sides changed `path`: the host's version keeps it. */
export interface Conflict {
  readonly path: Path;
  /** Where the container's version goes on both sides; null where only the journal keeps it. */
  readonly kept: Path | null;
  /** The container's version, as much of it as the container changed. */
  readonly copy: Node;
}

/** `clash`: a folder stands against something else, and what it holds cannot be moved. */
export interface Frozen {
  readonly path: Path;
  readonly side: Side;
  readonly reason: OpaqueReason | 'clash';
}

export interface Merge {
  readonly host: DirNode;
  readonly container: DirNode;
  readonly conflicts: readonly Conflict[];
  readonly frozen: readonly Frozen[];
}

/** `Model.get_model_path` counts what lies in a version's folder: no copies in there. */
const MODELS = 'azureml-models/';

interface Pair {
  readonly host: Node | null;
  readonly container: Node | null;
  /** The container's version, to be kept beside. */
  readonly copy?: Node;
}

export function merge({ base, host, container }: Trees): Merge {
  const conflicts: Conflict[] = [];
  const frozen: Frozen[] = [];
  const merged = new Merger(conflicts, frozen).folder('', base, host, container);
  conflicts.sort((a, b) => byCodeUnits(a.path, b.path));
  frozen.sort((a, b) => byCodeUnits(a.path, b.path));
  return { ...merged, conflicts, frozen };
}

class Merger {
  readonly #conflicts: Conflict[];
  readonly #frozen: Frozen[];

  constructor(conflicts: Conflict[], frozen: Frozen[]) {
    this.#conflicts = conflicts;
    this.#frozen = frozen;
  }

  folder(
    path: Path,
    base: DirNode | null,
    host: DirNode,
    container: DirNode,
  ): { readonly host: DirNode; readonly container: DirNode } {
    const names = differing(base, host, container);
    if (names.length === 0) return { host, container };
    const onHost: [string, Node | null][] = [];
    const onContainer: [string, Node | null][] = [];
    const copies: [string, Node][] = [];
    for (const name of names.sort(byCodeUnits)) {
      const [b, h, c] = [childOf(base, name), childOf(host, name), childOf(container, name)];
      const pair = this.#node(join(path, name), b, h, c);
      onHost.push([name, pair.host]);
      onContainer.push([name, pair.container]);
      if (pair.copy !== undefined) copies.push([name, pair.copy]);
    }
    let merged = { host: patch(host, onHost), container: patch(container, onContainer) };
    for (const [name, copy] of copies) merged = this.#keep(path, name, copy, merged, [host, container]);
    return merged;
  }

  #node(path: Path, base: Node | null, host: Node | null, container: Node | null): Pair {
    if (host?.kind === 'opaque') return this.#freeze(path, 'host', host.reason, host, container);
    if (container?.kind === 'opaque') return this.#freeze(path, 'container', container.reason, host, container);
    // Gone on one side: what the other side changed survives, file by file, and so do the folders above it.
    if (host === null || container === null) {
      const left = survivors(base, host ?? container);
      if (left === null || !hasOpaque(left)) return { host: left, container: left };
      this.#noteOpaque(path, left, host === null ? 'container' : 'host');
      const bare = withoutOpaque(left);
      return host === null ? { host: bare, container: left } : { host: left, container: bare };
    }
    if (host.kind === 'dir' && container.kind === 'dir') {
      return this.folder(path, base?.kind === 'dir' ? base : null, host, container);
    }
    if (host.kind === 'file' && container.kind === 'file') return mergeFiles(base, host, container);
    if (host.kind === container.kind) {
      if (equal(host, container) || equal(container, base)) return { host, container: host };
      return equal(host, base) ? { host: container, container } : { host, container: host, copy: container };
    }
    return this.#clash(path, base, host, container);
  }

  /** Different kinds. */
  #clash(path: Path, base: Node | null, host: Node, container: Node): Pair {
    if (hasOpaque(host)) return this.#freeze(path, 'host', 'clash', host, container);
    if (hasOpaque(container)) return this.#freeze(path, 'container', 'clash', host, container);
    const fromHost = survivors(base, host);
    const fromContainer = survivors(base, container);
    const kept = fromHost ?? fromContainer;
    const pair = { host: kept, container: kept };
    return fromHost === null || fromContainer === null ? pair : { ...pair, copy: fromContainer };
  }

  #freeze(path: Path, side: Side, reason: Frozen['reason'], host: Node | null, container: Node | null): Pair {
    this.#frozen.push({ path, side, reason });
    return { host, container };
  }

  #noteOpaque(path: Path, node: Node, side: Side): void {
    if (node.kind === 'opaque') this.#frozen.push({ path, side, reason: node.reason });
    if (node.kind === 'dir') {
      for (const [name, child] of node.children) this.#noteOpaque(join(path, name), child, side);
    }
  }

  /** Puts the container's version of `name` beside it, under the first name that nothing else has. */
  #keep(
    folder: Path,
    name: string,
    copy: Node,
    merged: { readonly host: DirNode; readonly container: DirNode },
    now: readonly DirNode[],
  ): { readonly host: DirNode; readonly container: DirNode } {
    const path = join(folder, name);
    if (!path.startsWith(MODELS)) {
      for (const candidate of copyNames(name, copy)) {
        const there = [merged.host, merged.container, ...now].map((dir) => childOf(dir, candidate));
        if (!there.every((node) => node === null || equal(node, copy))) continue;
        this.#conflicts.push({ path, kept: join(folder, candidate), copy });
        const change = [[candidate, copy]] as const;
        return { host: patch(merged.host, change), container: patch(merged.container, change) };
      }
    }
    this.#conflicts.push({ path, kept: null, copy });
    return merged;
  }
}

/** Bytes and the executable bit have each a history of their own. */
function mergeFiles(base: Node | null, host: FileNode, container: FileNode): Pair {
  const old = base?.kind === 'file' ? base : null;
  const exec = mergeExec(old, host, container);
  const conflict = host.digest !== container.digest && host.digest !== old?.digest && container.digest !== old?.digest;
  const bytes = host.digest === old?.digest ? container : host;
  const file = [host, container].find((node) => node.digest === bytes.digest && node.exec === exec);
  const merged = file ?? { ...bytes, exec };
  return conflict ? { host: merged, container: merged, copy: container } : { host: merged, container: merged };
}

function mergeExec(old: FileNode | null, host: FileNode, container: FileNode): boolean {
  if (host.exec === container.exec) return host.exec;
  // One of the two is as it was. Without a past, what can be run anywhere stays so.
  return old === null ? true : !old.exec;
}

/** What `node` holds that `base` does not: whole where it is new or changed, nothing where only things went missing. */
export function survivors(base: Node | null, node: Node | null): Node | null {
  if (node === null || node === base) return null;
  if (base?.kind !== 'dir' || node.kind !== 'dir') return equal(base, node) ? null : node;
  const children = new Map<string, Node>();
  for (const [name, child] of node.children) {
    const left = survivors(base.children.get(name) ?? null, child);
    if (left !== null) children.set(name, left);
  }
  return children.size === 0 ? null : { kind: 'dir', children };
}

function withoutOpaque(node: Node): Node | null {
  if (node.kind === 'opaque') return null;
  if (node.kind !== 'dir') return node;
  const children = new Map<string, Node>();
  for (const [name, child] of node.children) {
    const left = withoutOpaque(child);
    if (left !== null) children.set(name, left);
  }
  return { kind: 'dir', children };
}
