/** Trees that come over the wire: what is none is refused, however it is made. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { methods, nodeSchema } from '../../../shared/core/protocol.ts';
import { fromWire, toWire } from '../../../shared/link/wire-tree.ts';
import { anyTree, file } from '../../support/trees.ts';

const over = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const dir = (...children: readonly unknown[]) => ({ kind: 'dir', children });

test('any tree comes over as it is', () => {
  fc.assert(
    fc.property(anyTree, (tree) => {
      expect(fromWire(nodeSchema.parse(over(toWire(tree))), '')).toEqual(tree);
    }),
  );
});

test('what is not known of a node is left behind', () => {
  const sent = dir(['a', { ...file('1'), more: 'x'.repeat(1_000) }]);
  expect(fromWire(nodeSchema.parse(over(sent)), '')).toEqual({ kind: 'dir', children: new Map([['a', file('1')]]) });
});

const deep = (depth: number): unknown => {
  let node: unknown = file('1');
  for (let n = 0; n < depth; n++) node = dir(['a', node]);
  return node;
};

test.each([
  ['no object', null],
  ['an unknown kind', { kind: 'pipe' }],
  ['a digest that is none', { ...file('1'), digest: '../../etc/passwd' }],
  ['a size below nothing', { ...file('1'), size: -1 }],
  ['a size that is no whole number', { ...file('1'), size: 0.5 }],
  ['a word for a bit', { ...file('1'), exec: 'yes' }],
  ['a link to a number', { kind: 'link', target: 7 }],
  ['a link to very far', { kind: 'link', target: 'x'.repeat(8_193) }],
  ['an unknown reason', { kind: 'opaque', reason: 'because' }],
  ['no children', { kind: 'dir' }],
  ['children that are no pairs', dir('a')],
  ['a long name', dir(['n'.repeat(1_025), file('1')])],
  ['a child that is none', dir(['a', { kind: 'file' }])],
  ['a pair of three', dir(['a', file('1'), 1])],
  ['folders without end', deep(5_000)],
])('%s is refused', (_what, sent) => {
  expect(nodeSchema.safeParse(sent).success).toBe(false);
});

test('as deep as a path can be', () => {
  expect(nodeSchema.safeParse(deep(2_047)).success).toBe(true);
});

const asCall = (change: unknown) =>
  methods['sync.apply'].params.safeParse({ endpoint: 1, changes: [change], inline: [] });

test('a change comes over as it is, and nothing more', () => {
  const sent = {
    path: 'a',
    before: { kind: 'link', target: 'b', more: 1 },
    after: { ...file('1'), more: 'x' },
    more: [],
  };
  const plain = { path: 'a', before: { kind: 'link', target: 'b' }, after: file('1') };
  expect(asCall(sent).data?.changes).toEqual([plain]);
  const made = { path: 'd', before: null, after: { kind: 'dir', children: [['a', file('1')]] } };
  expect(asCall(made).data?.changes).toEqual([{ path: 'd', before: null, after: { kind: 'dir' } }]);
});

test.each([
  ['no object', 7],
  ['no path', { before: null, after: file('1') }],
  ['a long path', { path: 'x'.repeat(8_193), before: null, after: file('1') }],
  ['a side that is left out', { path: 'a', after: file('1') }],
  ['what is not to be made', { path: 'a', before: null, after: { kind: 'opaque', reason: 'busy' } }],
  ['an unknown kind', { path: 'a', before: { kind: 'pipe' }, after: null }],
  ['a digest that is none', { path: 'a', before: { ...file('1'), digest: 'abc' }, after: null }],
])('a change with %s is refused', (_what, change) => {
  expect(asCall(change).success).toBe(false);
});
