/** Trees on the wire: maps become pairs; what comes in is checked name by name (S6: the peer may be hostile). */
import { MAX_PATH, type WireNode } from '../core/protocol.ts';
import { join, type Node } from '../core/sync/tree.ts';
import { violation } from './frames.ts';

export function toWire(node: Node): WireNode {
  if (node.kind !== 'dir') return node;
  return { kind: 'dir', children: Array.from(node.children, ([name, child]) => [name, toWire(child)]) };
}

/** The subtree at `path`. */
export function fromWire(wire: WireNode, path: string): Node {
  if (wire.kind !== 'dir') return leaf(wire);
  const children = new Map<string, Node>();
  for (const [name, child] of wire.children) {
    if (!isName(name) || children.has(name)) throw violation(`a file named ${JSON.stringify(name)}`);
    const at = join(path, name);
    if (at.length > MAX_PATH) throw violation('a path that is too long');
    children.set(name, fromWire(child, at));
  }
  return { kind: 'dir', children };
}

/** Nothing but what is known of it. */
function leaf(wire: Exclude<WireNode, { kind: 'dir' }>): Node {
  switch (wire.kind) {
    case 'file':
      return { kind: 'file', digest: wire.digest, size: wire.size, exec: wire.exec };
    case 'link':
      return { kind: 'link', target: wire.target };
    case 'opaque':
      return { kind: 'opaque', reason: wire.reason };
  }
}

/** One segment of a path. */
export function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');
}

/** A path relative to the root, `''` for the root itself. */
export function checkPath(path: string): string {
  if (path !== '' && !path.split('/').every(isName)) throw violation(`a path ${JSON.stringify(path)}`);
  return path;
}
