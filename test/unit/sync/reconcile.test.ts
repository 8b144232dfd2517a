import { describe, expect, test } from 'vitest';
import { reconcile } from '../../../shared/core/sync/reconcile.ts';
import type { Change } from '../../../shared/core/sync/endpoint.ts';
import { EMPTY, nodeAt, TreeEdit, type DirNode, type Entry, type Node } from '../../../shared/core/sync/tree.ts';
import { file, link, opaque, sha256, tree, type Sketch } from '../../support/trees.ts';
import { settle } from './laws.ts';

type Sketches = Readonly<Record<string, Sketch>>;

const copy = (stem: string, content: string, extension = '') =>
  `${stem}.conflict-container-${sha256(content).slice(0, 8)}${extension}`;

interface Case {
  readonly name: string;
  readonly base: Sketches;
  readonly host: Sketches;
  readonly container: Sketches;
  /** What both hold then. */
  readonly both: Sketches;
  /** Paths in conflict and where the container's version went. */
  readonly conflicts?: readonly (readonly [string, string | null])[];
}

const cases: readonly Case[] = [
  { name: 'an edit goes out', base: { f: '1' }, host: { f: '2' }, container: { f: '1' }, both: { f: '2' } },
  { name: 'an edit comes in', base: { f: '1' }, host: { f: '1' }, container: { f: '2' }, both: { f: '2' } },
  { name: 'a new file goes out', base: {}, host: { f: '1' }, container: {}, both: { f: '1' } },
  { name: 'the same edit on both sides', base: { f: '1' }, host: { f: '2' }, container: { f: '2' }, both: { f: '2' } },
  {
    name: 'a delete goes out',
    base: { f: '1', g: '1' },
    host: { g: '1' },
    container: { f: '1', g: '1' },
    both: { g: '1' },
  },
  {
    name: 'different edits: the host keeps the path',
    base: { 'score.py': '1' },
    host: { 'score.py': '2' },
    container: { 'score.py': '3' },
    both: { 'score.py': '2', [copy('score', '3', '.py')]: '3' },
    conflicts: [['score.py', copy('score', '3', '.py')]],
  },
  {
    name: 'different new files',
    base: {},
    host: { Makefile: '2', '.hidden': '2', 'a.tar.gz': '2' },
    container: { Makefile: '3', '.hidden': '3', 'a.tar.gz': '3' },
    both: {
      Makefile: '2',
      [copy('Makefile', '3')]: '3',
      '.hidden': '2',
      [copy('.hidden', '3')]: '3',
      'a.tar.gz': '2',
      [copy('a.tar', '3', '.gz')]: '3',
    },
    conflicts: [
      ['.hidden', copy('.hidden', '3')],
      ['Makefile', copy('Makefile', '3')],
      ['a.tar.gz', copy('a.tar', '3', '.gz')],
    ],
  },
  { name: 'deleted here, edited there', base: { f: '1' }, host: {}, container: { f: '2' }, both: { f: '2' } },
  { name: 'edited here, deleted there', base: { f: '1' }, host: { f: '2' }, container: {}, both: { f: '2' } },
  {
    name: 'deleted here, made executable there',
    base: { f: '1' },
    host: {},
    container: { f: file('1', true) },
    both: { f: file('1', true) },
  },
  {
    name: 'a deleted folder goes, but for what was edited in it',
    base: { d: { x: '1', y: '1', e: { z: '1' } } },
    host: {},
    container: { d: { x: '1', y: '2', e: { z: '1' } } },
    both: { d: { y: '2' } },
  },
  {
    name: 'a folder deleted on both sides, one file edited before',
    base: { d: { x: '1' } },
    host: {},
    container: {},
    both: {},
  },
  { name: 'an empty folder is something', base: { d: {} }, host: { d: {} }, container: {}, both: {} },
  {
    name: 'bytes here, executable bit there',
    base: { f: '1' },
    host: { f: '2' },
    container: { f: file('1', true) },
    both: { f: file('2', true) },
  },
  {
    name: 'without a past, what can be run anywhere stays so',
    base: {},
    host: { f: '1' },
    container: { f: file('1', true) },
    both: { f: file('1', true) },
  },
  {
    name: 'a conflict of bytes, and the bit of the side that changed it',
    base: { f: file('1', true) },
    host: { f: file('2', true) },
    container: { f: file('3', false) },
    both: { f: file('2', false), [copy('f', '3')]: file('3', false) },
    conflicts: [['f', copy('f', '3')]],
  },
  {
    name: 'a link changes',
    base: { l: link('a') },
    host: { l: link('b') },
    container: { l: link('a') },
    both: { l: link('b') },
  },
  {
    name: 'a file becomes a folder',
    base: { p: '1' },
    host: { p: { x: '2' } },
    container: { p: '1' },
    both: { p: { x: '2' } },
  },
  {
    name: 'a folder becomes a file',
    base: { p: { x: '1', y: '1' } },
    host: { p: '2' },
    container: { p: { x: '1', y: '1' } },
    both: { p: '2' },
  },
  {
    name: 'a folder became a file here and was edited there',
    base: { p: { x: '1', y: '1' } },
    host: { p: '2' },
    container: { p: { x: '3', y: '1' } },
    both: { p: '2', 'p.conflict-container-?': { x: '3' } },
    conflicts: [['p', 'p.conflict-container-?']],
  },
  {
    name: 'a folder became a file there and was edited here',
    base: { p: { x: '1', y: '1' } },
    host: { p: { x: '3', y: '1' } },
    container: { p: '2' },
    both: { p: { x: '3' }, [copy('p', '2')]: '2' },
    conflicts: [['p', copy('p', '2')]],
  },
  {
    name: 'models: the copy goes to the journal only',
    base: {},
    host: { 'azureml-models': { m: { 1: { 'model.pkl': '1' } } } },
    container: { 'azureml-models': { m: { 1: { 'model.pkl': '2' } } } },
    both: { 'azureml-models': { m: { 1: { 'model.pkl': '1' } } } },
    conflicts: [['azureml-models/m/1/model.pkl', null]],
  },
  {
    name: 'the name of the copy is taken by something else',
    base: {},
    host: { f: '2', [copy('f', '3')]: 'other' },
    container: { f: '3' },
    both: { f: '2', [copy('f', '3')]: 'other', [`f.conflict-container-${sha256('3').slice(0, 16)}`]: '3' },
    conflicts: [['f', `f.conflict-container-${sha256('3').slice(0, 16)}`]],
  },
  {
    name: 'the copy is there already, half of an interrupted round',
    base: {},
    host: { f: '2', [copy('f', '3')]: '3' },
    container: { f: '3' },
    both: { f: '2', [copy('f', '3')]: '3' },
    conflicts: [['f', copy('f', '3')]],
  },
  {
    name: 'a name that JavaScript knows',
    base: {},
    host: { constructor: '1' },
    container: {},
    both: { constructor: '1' },
  },
];

describe('a round', () => {
  test.each(cases)('$name', ({ base, host, container, both, conflicts = [] }) => {
    const after = settle({ base: tree(base), host: tree(host), container: tree(container) });
    const found = after.plan.conflicts.map(({ path, kept }) => [path, kept] as const);
    // A folder's copy is named after a fingerprint of its own.
    const named = (kept: string | null) => kept?.replace(/-[0-9a-f]+$/, '-?') ?? null;
    const isOpen = conflicts.some(([, kept]) => kept?.endsWith('?'));
    expect(isOpen ? found.map(([path, kept]) => [path, named(kept)]) : found).toEqual(conflicts);
    const wanted = Object.fromEntries(
      Object.entries(both).map(([name, each]) => [name.endsWith('?') ? (found[0]?.[1] ?? name) : name, each]),
    );
    expect(after.host).toEqual(tree(wanted));
    expect(after.container).toEqual(tree(wanted));
  });

  test('deletes come first and from below, then folders before what they hold', () => {
    const { container } = reconcile({
      base: tree({ old: { a: '1', b: { c: '1' } }, p: '1', q: { z: '1' } }),
      host: tree({ fresh: { x: { y: '2' } }, p: { in: '3' }, q: link('p') }),
      container: tree({ old: { a: '1', b: { c: '1' } }, p: '1', q: { z: '1' } }),
    });
    expect(container.map(({ path, before, after }) => `${name(before)} ${path} ${name(after)}`)).toEqual([
      'file old/a null',
      'file old/b/c null',
      'dir old/b null',
      'dir old null',
      'file p null',
      'file q/z null',
      'dir q null',
      'null fresh dir',
      'null fresh/x dir',
      'null fresh/x/y file',
      'null p dir',
      'null p/in file',
      'null q link',
    ]);
  });

  test('a file against a link is one step', () => {
    const { host } = reconcile({ base: tree({ p: '1' }), host: tree({ p: '1' }), container: tree({ p: link('q') }) });
    expect(host).toEqual([{ path: 'p', before: file('1'), after: link('q') }] satisfies Change[]);
  });

  test('a long name makes room for the mark', () => {
    const long = `${'ä'.repeat(120)}.py`;
    const { conflicts } = reconcile({ base: EMPTY, host: tree({ [long]: '1' }), container: tree({ [long]: '2' }) });
    const kept = conflicts[0]?.kept ?? '';
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(255);
    expect(kept).toMatch(/^ä+\.conflict-container-[0-9a-f]{8}\.py$/);
  });
});

describe('what must be left alone', () => {
  const frozen = (sketches: { base: Sketches; host: Sketches; container: Sketches }) =>
    settle({ base: tree(sketches.base), host: tree(sketches.host), container: tree(sketches.container) });

  test('unreadable is not deleted', () => {
    const { plan, container } = frozen({
      base: { d: { x: '1' } },
      host: { d: opaque('unreadable') },
      container: { d: { x: '1' } },
    });
    expect([plan.host, plan.container]).toEqual([[], []]);
    expect(container).toEqual(tree({ d: { x: '1' } }));
    expect(plan.agreed.base).toEqual(tree({ d: { x: '1' } }));
    expect(plan.frozen).toEqual([{ path: 'd', side: 'host', reason: 'unreadable' }]);
  });

  test('a deleted folder stays around it', () => {
    const { host, container } = frozen({
      base: { d: { x: '1' } },
      host: {},
      container: { d: { x: '1', socket: opaque() } },
    });
    expect(container).toEqual(tree({ d: { socket: opaque() } }));
    expect(host).toEqual(tree({ d: {} }));
  });

  test('no file takes the place of a folder that holds it', () => {
    const { plan } = frozen({ base: {}, host: { d: '1', e: '1' }, container: { d: { socket: opaque() } } });
    expect(plan.container.map(({ path }) => path)).toEqual(['e']);
    expect(plan.frozen).toEqual([{ path: 'd', side: 'container', reason: 'clash' }]);
  });
});

test('what both hold becomes one node in all three trees', () => {
  const { agreed } = reconcile({
    base: tree({ same: { x: '1' }, f: '1' }),
    host: tree({ same: { x: '1' }, f: '2', g: { y: '1' } }),
    container: tree({ same: { x: '1' }, f: '2', g: { y: '1' } }),
  });
  expect(agreed.host).toBe(agreed.base);
  expect(agreed.container).toBe(agreed.base);
  expect(agreed.moves).toEqual([
    ['f', file('2')],
    ['g', { kind: 'dir' }],
    ['g/y', file('1')],
  ]);
});

test('one edit among 20,000 files looks at its own folders only', () => {
  const folders = Array.from({ length: 500 }, (_, n): [string, Sketch] => [
    `d${n}`,
    Object.fromEntries(Array.from({ length: 40 }, (_, m) => [`f${m}`, file('1')])),
  ]);
  let looked = 0;
  class Counted extends Map<string, Node> {
    override get(name: string): Node | undefined {
      looked++;
      return super.get(name);
    }
  }
  const children = Array.from(tree(Object.fromEntries(folders)).children, ([name, folder]): [string, Node] => {
    return [name, folder.kind === 'dir' ? { kind: 'dir', children: new Counted(folder.children) } : folder];
  });
  const base: DirNode = { kind: 'dir', children: new Map(children) };
  const host = new TreeEdit(base);
  host.set('d7/f3', file('2'));
  looked = 0;
  const { container } = reconcile({ base, host: host.root, container: base });
  expect(container.map(({ path }) => path)).toEqual(['d7/f3']);
  expect(looked).toBeLessThan(40 * 20);
  expect(nodeAt(host.root, 'd8')).toBe(nodeAt(base, 'd8'));
});

function name(entry: Entry | null): string {
  return entry?.kind ?? 'null';
}
