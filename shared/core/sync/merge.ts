/**
 * The second half of a round: what both sides should hold, by a three-way merge of every path.
 *
 * The two results are equal but for what is frozen: an opaque node stays where it is, with the folders above it, and
 * nothing is made, replaced or deleted at or below its path on either side.
 */
import { differing, type Trees } from './agree.ts';
import { copyNames } from './copy-name.ts';
import { Changes } from './changes.ts';
import type { Change } from './endpoint.ts';
import {
  byCodeUnits,
  childOf,
  equal,
  hasOpaque,
  join,
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
  /** What each side has to change, in an order in which each change can be made. */
  readonly host: readonly Change[];
  readonly container: readonly Change[];
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
  const merger = new Merger();
  merger.folder('', base, host, container);
  return {
    host: merger.onHost.ordered(),
    container: merger.onContainer.ordered(),
    conflicts: merger.conflicts.sort((a, b) => byCodeUnits(a.path, b.path)),
    frozen: merger.frozen.sort((a, b) => byCodeUnits(a.path, b.path)),
  };
}

class Merger {
  readonly conflicts: Conflict[] = [];
  readonly frozen: Frozen[] = [];
  readonly onHost = new Changes();
  readonly onContainer = new Changes();

  folder(path: Path, base: DirNode | null, host: DirNode, container: DirNode): void {
    const copies: [string, Node][] = [];
    /** What the folder will hold, as far as it is not what both hold already. */
    const merged = new Map<string, Pair>();
    for (const name of differing(base, host, container).sort(byCodeUnits)) {
      const [b, h, c] = [childOf(base, name), childOf(host, name), childOf(container, name)];
      if (h?.kind === 'dir' && c?.kind === 'dir') {
        this.folder(join(path, name), b?.kind === 'dir' ? b : null, h, c);
        continue;
      }
      const pair = this.#node(join(path, name), b, h, c);
      merged.set(name, pair);
      this.#change(join(path, name), h, c, pair);
      if (pair.copy !== undefined) copies.push([name, pair.copy]);
    }
    for (const [name, copy] of copies) this.#keep(path, name, copy, merged, host, container);
  }

  #change(path: Path, host: Node | null, container: Node | null, to: Pair): void {
    this.onHost.add(path, host, to.host);
    this.onContainer.add(path, container, to.container);
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
    this.frozen.push({ path, side, reason });
    return { host, container };
  }

  #noteOpaque(path: Path, node: Node, side: Side): void {
    if (node.kind === 'opaque') this.frozen.push({ path, side, reason: node.reason });
    if (node.kind === 'dir') {
      for (const [name, child] of node.children) this.#noteOpaque(join(path, name), child, side);
    }
  }

  /** Puts the container's version of `name` beside it, under the first name that nothing else has. */
  #keep(folder: Path, name: string, copy: Node, merged: Map<string, Pair>, host: DirNode, container: DirNode): void {
    const path = join(folder, name);
    const candidates = path.startsWith(MODELS) ? [] : copyNames(name, copy);
    for (const candidate of candidates) {
      const [h, c, planned] = [childOf(host, candidate), childOf(container, candidate), merged.get(candidate)];
      const there = [h, c, planned?.host ?? null, planned?.container ?? null];
      if (!there.every((node) => node === null || equal(node, copy))) continue;
      this.conflicts.push({ path, kept: join(folder, candidate), copy });
      const pair = { host: copy, container: copy };
      merged.set(candidate, pair);
      // Whatever was planned there is the copy itself, or that it goes.
      if (planned !== undefined) {
        this.onHost.forget(join(folder, candidate));
        this.onContainer.forget(join(folder, candidate));
      }
      this.#change(join(folder, candidate), h, c, pair);
      return;
    }
    this.conflicts.push({ path, kept: null, copy });
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
