/**
 * What sync itself created on a side of late. A folder that holds nothing else may have been emptied before, by an
 * accident that nobody has seen yet: no wish of the user speaks from what is missing in it.
 */
import type { Change } from './endpoint.ts';
import type { SideState } from './state.ts';
import { nodeAt, walk, type DirNode, type Path } from './tree.ts';

/** What one batch created. */
export interface Created {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly paths: readonly Path[];
}

/**
 * How long before the last creation one still counts: an emptied folder is noticed by a look at everything at the
 * latest. While nothing is created, as behind a brake or between two starts, nothing is forgotten. Milliseconds.
 */
const LATELY = 5 * 60_000;
/** Between a delete and the sight of it. Milliseconds. */
const MOMENT = 100;

export function withCreated(all: readonly Created[], at: number, paths: readonly Path[]): readonly Created[] {
  if (paths.length === 0) return all;
  return [...all.filter((each) => at - each.at < LATELY), { at, paths }];
}

/** What was replaced was there, so that its folder had not been emptied. */
export function isCreation({ before, after }: Change): boolean {
  return before === null && after !== null;
}

/** What sync created on a side since deletes began to be seen there, oldest first; all of late where no delete was seen as such. */
export function createdSince({ created, flight, deletes }: SideState): readonly Created[] {
  const from = deletes === null ? -Infinity : deletes.first - MOMENT;
  const known = created.filter(({ at }) => at >= from);
  // What is under way may be there already.
  const coming = flight?.changes.filter(isCreation).map(({ path }) => path) ?? [];
  return coming.length === 0 ? known : [...known, { at: Infinity, paths: coming }];
}

/** What is left in the tree was all created by sync, after two or more of what is missing in it. */
export function cameAfterAll(tree: DirNode, base: DirNode, created: readonly Created[]): boolean {
  const order = new Map(created.flatMap(({ paths }, n) => paths.map((path) => [path, n] as const)));
  let first = Infinity;
  for (const [path] of walk(tree)) {
    const n = order.get(path);
    if (n === undefined) return false;
    first = Math.min(first, n);
  }
  let earlier = 0;
  for (const [path] of walk(base)) {
    if (nodeAt(tree, path) === null && (order.get(path) ?? -1) < first) earlier++;
    if (earlier >= 2) return true;
  }
  return false;
}
