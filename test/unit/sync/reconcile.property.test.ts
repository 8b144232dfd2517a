import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reconcile } from '../../../shared/core/sync/reconcile.ts';
import { byCodeUnits, EMPTY, type DirNode, type Node } from '../../../shared/core/sync/tree.ts';
import { anyTriple, anyTree, smallWorld } from '../../support/trees.ts';
import { checkLaws } from './laws.ts';

const RUNS = { numRuns: 8_000 };

test('one tree, perturbed twice: settles in one round, loses nothing, deletes only what was known', () => {
  fc.assert(fc.property(anyTriple(), checkLaws), RUNS);
});

test('the same with what must be left alone', () => {
  fc.assert(fc.property(anyTriple({ withOpaque: true }), checkLaws), RUNS);
});

test('without a base nothing is deleted or overwritten on the host', () => {
  fc.assert(
    fc.property(anyTree, anyTree, (host, container) => {
      checkLaws({ base: EMPTY, host, container });
      const { host: changes } = reconcile({ base: EMPTY, host, container });
      expect(changes.every(({ before }) => before === null || before.kind === 'file')).toBe(true);
      expect(changes.every(({ after }) => after !== null)).toBe(true);
    }),
    RUNS,
  );
});

test('every triple of one root entry with thirty states', () => {
  const world = smallWorld().map(rooted);
  expect(world).toHaveLength(30);
  for (const base of world) {
    for (const host of world) {
      for (const container of world) checkLaws({ base, host, container });
    }
  }
});

test('the plan does not depend on the order in which folders were read', () => {
  fc.assert(
    fc.property(anyTriple({ withOpaque: true }), (trees) => {
      const { host, container, conflicts, frozen } = reconcile(trees);
      const turned = reconcile({
        base: backwards(trees.base),
        host: backwards(trees.host),
        container: backwards(trees.container),
      });
      expect(turned).toMatchObject({
        host,
        container,
        conflicts: conflicts.map(({ path, kept }) => ({ path, kept })),
        frozen,
      });
    }),
    { numRuns: 1_000 },
  );
});

function rooted(entry: Node | null): DirNode {
  return { kind: 'dir', children: new Map(entry === null ? [] : [['e', entry]]) };
}

function backwards(dir: DirNode): DirNode {
  const children = [...dir.children].sort(([a], [b]) => byCodeUnits(b, a));
  return {
    kind: 'dir',
    children: new Map(children.map(([name, child]) => [name, child.kind === 'dir' ? backwards(child) : child])),
  };
}
