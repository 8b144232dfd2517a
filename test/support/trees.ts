/** Small trees for tests of the planner, written as nested objects, and random ones. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { Change } from '../../shared/core/sync/endpoint.ts';
import {
  EMPTY,
  nodeAt,
  sameEntry,
  TreeEdit,
  walk,
  type DirNode,
  type Entry,
  type FileNode,
  type LinkNode,
  type Node,
  type OpaqueNode,
  type OpaqueReason,
  type Path,
} from '../../shared/core/sync/tree.ts';

/** A string is a file's content; an object a folder. */
export type Sketch = string | FileNode | LinkNode | OpaqueNode | { readonly [name: string]: Sketch };

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function file(content: string, exec = false): FileNode {
  return { kind: 'file', digest: sha256(content), size: Buffer.byteLength(content), exec };
}

export const link = (target: string): LinkNode => ({ kind: 'link', target });
export const opaque = (reason: OpaqueReason = 'special'): OpaqueNode => ({ kind: 'opaque', reason });

function isNode(sketch: Exclude<Sketch, string>): sketch is FileNode | LinkNode | OpaqueNode {
  return typeof sketch['kind'] === 'string';
}

export function node(sketch: Sketch): Node {
  if (typeof sketch === 'string') return file(sketch);
  if (isNode(sketch)) return sketch;
  return { kind: 'dir', children: new Map(Object.entries(sketch).map(([name, child]) => [name, node(child)])) };
}

export function tree(sketch: Readonly<Record<string, Sketch>>): DirNode {
  const root = node(sketch);
  if (root.kind !== 'dir') throw new TypeError('a tree is a folder');
  return root;
}

/** A tree as lines: what a failing test shows. */
export function show(root: Node | null): string[] {
  return root === null ? ['(none)'] : Array.from(walk(root), ([path, each]) => `${path} ${showNode(each)}`);
}

function showNode(each: Node): string {
  if (each.kind === 'file') return each.digest.slice(0, 6) + (each.exec ? '*' : '');
  return each.kind === 'link' ? `-> ${each.target}` : each.kind === 'dir' ? '/' : `(${each.reason})`;
}

/** Makes the changes as a strict disk would: each must find what it expects, with its folder there and emptied before. */
export function applyStrictly(root: DirNode, changes: readonly Change[]): DirNode {
  const edit = new TreeEdit(root);
  for (const { path, before, after } of changes) {
    const found = nodeAt(edit.root, path);
    const parent = nodeAt(edit.root, path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
    if (parent?.kind !== 'dir') throw new Error(`${path}: no folder to make it in`);
    if (!sameEntry(found, before)) throw new Error(`${path}: not what was expected`);
    if (found?.kind === 'dir' && found.children.size > 0) throw new Error(`${path}: not empty`);
    edit.set(path, asNode(after));
  }
  return edit.root;
}

function asNode(entry: Entry | null): Node | null {
  return entry?.kind === 'dir' ? EMPTY : entry;
}

export function filesOf(root: Node): [Path, FileNode][] {
  return [...walk(root)].flatMap(([path, each]) => (each.kind === 'file' ? [[path, each]] : []));
}

// Random trees --------------------------------------------------------------------------------------------------------

const names = fc.constantFrom('a', 'b', 'c.py', 'azureml-models');
const leaf: fc.Arbitrary<Node> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom('1', '2', '3'), fc.boolean()).map(([text, exec]) => file(text, exec)),
  },
  { weight: 1, arbitrary: fc.constantFrom('a', 'b').map(link) },
);

function folder(children: fc.Arbitrary<Node>): fc.Arbitrary<Node> {
  return fc
    .uniqueArray(fc.tuple(names, children), { maxLength: 3, selector: ([name]) => name })
    .map((pairs) => ({ kind: 'dir' as const, children: new Map(pairs) }));
}

const deep = folder(fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: folder(leaf) }));
const anyNode = fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: folder(leaf) });

export const anyTree: fc.Arbitrary<DirNode> = fc
  .uniqueArray(fc.tuple(names, fc.oneof(leaf, deep)), { maxLength: 4, selector: ([name]) => name })
  .map((pairs) => ({ kind: 'dir' as const, children: new Map(pairs) }));

type Edit = readonly [path: Path, node: Node | null];

const anyPath = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

function edits(withOpaque: boolean): fc.Arbitrary<Edit[]> {
  const made = withOpaque
    ? fc.oneof({ weight: 6, arbitrary: anyNode }, { weight: 1, arbitrary: fc.constant<Node>(opaque()) })
    : anyNode;
  return fc.array(
    fc.tuple(anyPath, fc.oneof({ weight: 2, arbitrary: made }, { weight: 1, arbitrary: fc.constant(null) })),
    { maxLength: 4 },
  );
}

function edited(root: DirNode, changes: readonly Edit[]): DirNode {
  const edit = new TreeEdit(root);
  for (const [path, made] of changes) {
    const above = path.split('/').slice(0, -1);
    // Only what can happen on a disk: in a folder, and not within what cannot be entered.
    const inFolder = above.every((_, depth) => nodeAt(edit.root, above.slice(0, depth + 1).join('/'))?.kind === 'dir');
    if (inFolder) edit.set(path, made);
  }
  return edit.root;
}

/** One tree, perturbed twice. */
export function anyTriple({ withOpaque = false } = {}): fc.Arbitrary<{
  base: DirNode;
  host: DirNode;
  container: DirNode;
}> {
  return fc.tuple(anyTree, edits(withOpaque), edits(withOpaque)).map(([base, onHost, onContainer]) => ({
    base,
    host: edited(base, onHost),
    container: edited(base, onContainer),
  }));
}

/** Every state of one root entry: nothing, files, a link, and folders with up to two children of five kinds. */
export function smallWorld(): readonly (Node | null)[] {
  const children = [null, file('1'), file('2'), link('a'), node({ in: '1' })];
  const folders = children.flatMap((x) =>
    children.map((y): Node => {
      const pairs = (
        [
          ['x', x],
          ['y', y],
        ] as const
      ).flatMap(([name, child]) => (child === null ? [] : [[name, child] as const]));
      return { kind: 'dir', children: new Map(pairs) };
    }),
  );
  return [null, file('1'), file('2'), file('1', true), link('a'), ...folders];
}
