import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reconcile } from '../../../shared/core/sync/reconcile.ts';
import { trippedBrake } from '../../../shared/core/sync/guard.ts';
import { byCodeUnits, EMPTY, type DirNode, type Node, type Side } from '../../../shared/core/sync/tree.ts';
import { anyTriple, anyTree, smallWorld, tree } from '../../support/trees.ts';
import { checkLaws } from './laws.ts';

/** Random triples: 120,000 in all. */
const RUNS = { numRuns: 40_000 };

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

test('S10: what is ignored from now on is neither deleted nor brought', () => {
  fc.assert(
    fc.property(anyTriple(), fc.constantFrom('a', 'b', 'c.py', 'azureml-models'), ({ base, host, container }, name) => {
      const [ours, theirs] = [without(host, name), without(container, name)];
      checkLaws({ base, host: ours, container: theirs });
      const { host: onHost, container: onContainer } = reconcile({ base, host: ours, container: theirs });
      expect([...onHost, ...onContainer].filter(({ path }) => path.split('/').includes(name))).toEqual([]);
    }),
    { numRuns: 10_000 },
  );
});

test('S7: an emptied folder and a mass of deletes never pass, and a move always does', () => {
  const rounds = fc.record({
    files: fc.integer({ min: 2, max: 160 }),
    gone: fc.integer({ min: 0, max: 160 }),
    moved: fc.integer({ min: 0, max: 160 }),
    side: fc.constantFrom<Side>('host', 'container'),
  });
  fc.assert(
    fc.property(rounds, ({ files, gone, moved, side }) => {
      const names = Array.from({ length: files }, (_, n) => `f${n}`);
      const base = tree(Object.fromEntries(names.map((name) => [name, name])));
      const stay = names.slice(gone);
      const now = tree({
        ...Object.fromEntries(stay.slice(moved).map((name) => [name, name])),
        ...(stay.length > 0 ? { moved: Object.fromEntries(stay.slice(0, moved).map((name) => [name, name])) } : {}),
      });
      const trees = side === 'host' ? { host: now, container: base } : { host: base, container: now };
      const plan = reconcile({ base, ...trees });
      const tripped = trippedBrake(
        {
          base,
          trees,
          due: { host: plan.host, container: plan.container },
          deletedLately: { host: new Map(), container: new Map() },
          createdLately: { host: [], container: [] },
          unproven: false,
          asks: false,
          mounts: { was: null, is: { host: false, container: false } },
        },
        new Set(),
      );
      const lost = Math.min(gone, files);
      const expected = stay.length === 0 ? 'emptied' : lost >= 50 && lost * 2 > files ? 'mass-delete' : undefined;
      expect(tripped?.name).toBe(expected);
      if (expected !== undefined) expect(tripped?.side).toBe(side);
    }),
    { numRuns: 2_000 },
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

function without(dir: DirNode, name: string): DirNode {
  const children = [...dir.children].flatMap(([each, child]): [string, Node][] => {
    if (each === name) return [];
    if (child.kind !== 'dir') return [[each, child]];
    const left = without(child, name);
    return left.children.size === 0 && child.children.size > 0 ? [] : [[each, left]];
  });
  return { kind: 'dir', children: new Map(children) };
}

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
