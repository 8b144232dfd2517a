/** Which of a round's changes can go to a side now. */
import { VICTIM_INLINE_LIMIT, type Change } from './endpoint.ts';
import { RULE_FILES } from './ignore.ts';
import type { Plan } from './reconcile.ts';
import type { Flight, SideState } from './state.ts';
import { above, equal, nodeAt, otherSide, type Entry, type Path, type Side } from './tree.ts';

/**
 * Deletes wait for this long after the last one was seen (vim, git and `mv` take a name away for a moment before they
 * give it back), but not longer than the second figure after the first. Milliseconds.
 */
const DELETE_HOLD = 100;
const DELETE_HOLD_MAX = 1_000;

/** One batch carries at most this much, so that frames, staging and the time to the first outcome stay bounded. */
const BATCH_CHANGES = 5_000;
const BATCH_BYTES = 32 * 1024 * 1024;
/** Bytes of victims inside its outcomes, which are one frame. */
const BATCH_VICTIMS = 16 * 1024 * 1024;
/** Larger ones, each of which is fetched by itself and may be held open until then. */
const BATCH_HELD = 64;

export interface Selection {
  readonly due: readonly Change[];
  /** When to look again, although nothing happens meanwhile. */
  readonly wakeAt: number | null;
  /** Changes that only time or the other side keeps back. */
  readonly waiting: boolean;
}

export function select(side: Side, plan: Plan, sides: Readonly<Record<Side, SideState>>, now: number): Selection {
  const { info, blocked } = sides[side];
  const changes = plan[side];
  if (changes.length === 0 || info?.writable !== true) return { due: [], wakeAt: null, waiting: false };

  const skipped = new Set<Path>();
  let wakeAt: number | null = null;
  let waiting = false;
  const held = heldUntil(sides[otherSide(side)], now);
  if (held !== null) {
    for (const { path, after } of changes) {
      if (after === null) {
        skipped.add(path);
        waiting = true;
      }
    }
    if (waiting) wakeAt = held;
  }
  for (const [path, { until }] of blocked) {
    if (until <= now) continue;
    skipped.add(path);
    wakeAt = Math.min(until, wakeAt ?? until);
  }
  // Seen while it was being written: only the outcome tells which of the two is newer.
  const unclear = [...unclearIn(sides.host), ...unclearIn(sides.container)];
  for (const path of unclear) skipped.add(path);
  for (const { path, kept } of plan.conflicts) if (kept !== null && unclear.includes(path)) skipped.add(kept);
  // The container's version is first made safe on the host, then overwritten. Its copy goes with that: sent to both at
  // once it would be agreed only after both have answered, and come back when the host's was deleted before.
  if (side === 'container') {
    for (const { path, kept, copy } of plan.conflicts) {
      if (kept === null || equal(nodeAt(plan.agreed.host, kept), copy)) continue;
      skipped.add(path).add(kept);
      waiting = true;
    }
  }
  if (skipped.size === 0) return { due: changes, wakeAt, waiting };
  const due = changes.filter(({ path }) => !skipped.has(path) && !above(path).some((folder) => skipped.has(folder)));
  return { due, wakeAt, waiting };
}

function unclearIn({ flight }: SideState): Path[] {
  if (flight === null || flight.touched.size === 0) return [];
  return flight.changes.map(({ path }) => path).filter((path) => isTouched(flight, path));
}

export function isTouched({ touched }: Flight, path: Path): boolean {
  return (
    touched.size > 0 && (touched.has(path) || touched.has('') || above(path).some((folder) => touched.has(folder)))
  );
}

/** Null once deletes that were seen on this side may go. */
export function heldUntil({ deletes }: SideState, now: number): number | null {
  if (deletes === null) return null;
  const until = Math.min(deletes.last + DELETE_HOLD, deletes.first + DELETE_HOLD_MAX);
  return now < until ? until : null;
}

/** Ignore rules come to the host, whose are in force, before what they may speak of. */
export function rulesFirst(due: readonly Change[]): readonly Change[] {
  const rules = due.filter(
    ({ path, before, after }) => after?.kind === 'file' && before?.kind !== 'dir' && RULE_FILES.includes(path),
  );
  return rules.length > 0 ? rules : due;
}

/** As many as one batch may carry. */
export function firstBatch(due: readonly Change[]): readonly Change[] {
  let bytes = 0;
  let victims = 0;
  let held = 0;
  let n = 0;
  for (const { before, after } of due) {
    bytes += after?.kind === 'file' ? after.size : 0;
    if (before?.kind === 'file' && before.size > VICTIM_INLINE_LIMIT) held += 1;
    else if (before?.kind === 'file') victims += before.size;
    const isFull = n >= BATCH_CHANGES || bytes > BATCH_BYTES || victims > BATCH_VICTIMS || held > BATCH_HELD;
    if (n > 0 && isFull) break;
    n++;
  }
  return n === due.length ? due : due.slice(0, n);
}

/**
 * What the base becomes once `after` is in place, given what the other side holds now: `after` itself where the two
 * are the same, the half of it (bytes or executable bit) that is, or undefined when nothing is common yet.
 */
export function agreedBy(base: Entry | null, other: Entry | null, after: Entry | null): Entry | null | undefined {
  if (after === null || other === null) return other === after ? null : undefined;
  if (after.kind !== 'file') {
    if (after.kind === 'link') return other.kind === 'link' && other.target === after.target ? after : undefined;
    return other.kind === 'dir' ? after : undefined;
  }
  if (other.kind !== 'file') return undefined;
  const sameBytes = other.digest === after.digest;
  const sameExec = other.exec === after.exec;
  if (sameBytes && sameExec) return after;
  if (base?.kind !== 'file' || (!sameBytes && !sameExec)) return undefined;
  return sameBytes ? { ...after, exec: base.exec } : { ...base, exec: after.exec };
}
