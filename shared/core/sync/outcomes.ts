/** What a batch's outcomes teach: the side's tree, the base, what is blocked for a while. */
import type { BaseMove } from './agree.ts';
import { isCreation, withCreated } from './created.ts';
import type { Outcome } from './endpoint.ts';
import { isTouched } from './select.ts';
import type { Blocked, Effect, Planned, SessionState, SideState } from './state.ts';
import {
  above,
  entryOf,
  equal,
  nodeAt,
  otherSide,
  sameEntry,
  TreeEdit,
  type Node,
  type Path,
  type Side,
} from './tree.ts';

const STRANGE = 'it is refused although it is as expected';
/** What cannot be done is tried again after twice this, then after twice as long each time, … */
const RETRY_FIRST = 100;
/** … up to this, since nothing tells that a disk has room again. Milliseconds. */
const RETRY_LAST = 5_000;
/** What takes long to fail, as a large file does that is sent in vain, takes no more than a tenth of the time … */
const COST_RATIO = 10;
/** … but is not tried less often than this. Milliseconds. */
const RETRY_COSTLY = 30_000;
/** Deletes further apart than this are no one accident. Milliseconds. */
const BURST = 10_000;

export function applyOutcomes(
  state: SessionState,
  side: Side,
  outcomes: readonly Outcome[],
  now: number,
  effects: Effect[],
): SessionState {
  const before = state[side];
  const { flight } = before;
  if (flight === null) return state;
  if (before.tree === null) return postpone(state, side, flight.changes, outcomes, effects);
  const other = state[otherSide(side)];
  const tree = new TreeEdit(before.tree);
  const base = new TreeEdit(state.base);
  const moves: BaseMove[] = [];
  const blocked = new Map(before.blocked);
  const seen = new Map(other.seen);
  const reported = new Map<Path, number>();
  const created: Path[] = [];
  const longest = Math.max(RETRY_LAST, Math.min(COST_RATIO * (now - flight.sentAt), RETRY_COSTLY));
  let rescan = false;
  const goesOn = now - before.deletedLately.at < BURST;
  const gone = new Map(goesOn ? before.deletedLately.gone : []);
  const since = goesOn ? before.deletedLately.since : state.base;
  let deleted = false;

  for (const [index, change] of flight.changes.entries()) {
    const { path, after } = change;
    const outcome = settledAs(outcomes[index], nodeAt(tree.root, path), change);
    switch (outcome.result) {
      case 'done': {
        blocked.delete(path);
        if (isTouched(flight, path)) {
          // Seen meanwhile: something else there is newer than our write, what we replaced may be older or put back.
          if (holds(tree.root, path, change.before)) {
            rescan = true;
            tree.setEntry(path, after);
          }
        } else if (after !== null || !holdsMore(tree.root, path)) {
          tree.setEntry(path, after);
        }
        if (change.agreed !== undefined) {
          base.setEntry(path, change.agreed);
          moves.push([path, change.agreed]);
        }
        if (after === null && change.before !== null && change.before.kind !== 'dir') {
          deleted = true;
          // What comes and goes again all the time adds up to no accident.
          if (nodeAt(since, path) !== null) gone.set(path, change.before.kind === 'file' ? change.before.digest : null);
        }
        if (isCreation(change)) created.push(path);
        journal(effects, side, change, outcome);
        reported.set(path, now - firstSeen(other.seen, path, flight.sentAt));
        break;
      }
      case 'refused':
        // What was seen below it meanwhile may be newer than what was found then.
        if (isTouched(flight, path) || [...flight.touched].some((at) => at.startsWith(`${path}/`))) {
          rescan = true;
        } else if (equal(outcome.found, nodeAt(tree.root, path))) {
          // The side holds something else than it told, or its folder is gone.
          if (blocked.get(path)?.message !== STRANGE) rescan = true;
          block(blocked, path, now, longest, STRANGE);
        } else {
          tree.set(path, outcome.found);
        }
        break;
      case 'failed':
        block(blocked, path, now, longest, outcome.message, outcome.reason);
        break;
    }
  }

  if (moves.length > 0) effects.push({ kind: 'log', moves });
  for (const [path, ms] of reported) {
    effects.push({ kind: 'synced', path, to: side, ms });
    seen.delete(path);
  }
  const next: SideState = {
    ...before,
    flight: null,
    failure: null,
    tree: tree.root,
    blocked,
    scan: rescan ? 'needed' : before.scan,
    deletedLately: { gone, since, at: deleted ? now : before.deletedLately.at },
    created: withCreated(before.created, now, created),
  };
  return { ...state, base: base.root, [side]: next, [otherSide(side)]: { ...other, seen } };
}

/** The folder went away while it was being changed: what it holds is looked up when it is back. */
function postpone(
  state: SessionState,
  side: Side,
  changes: readonly Planned[],
  outcomes: readonly Outcome[],
  effects: Effect[],
): SessionState {
  for (const [index, change] of changes.entries()) journal(effects, side, change, outcomes[index]);
  const before = state[side];
  return { ...state, [side]: { ...before, flight: null, unsure: [...before.unsure, ...changes] } };
}

function journal(effects: Effect[], side: Side, change: Planned, outcome: Outcome | undefined): void {
  if (outcome?.result !== 'done' || change.before === null || change.before.kind === 'dir') return;
  effects.push({ kind: 'journal', side, change, victim: outcome.victim ?? null });
}

/** Changes whose outcome was never told: a side that holds what was sent has taken it. */
export function settleUnsure(state: SessionState, side: Side, now: number, effects: Effect[]): SessionState {
  const { unsure, tree, created } = state[side];
  if (unsure.length === 0) return state;
  const base = new TreeEdit(state.base);
  const moves: BaseMove[] = [];
  for (const { path, after, agreed } of unsure) {
    if (agreed === undefined || !holds(tree, path, after)) continue;
    base.setEntry(path, agreed);
    moves.push([path, agreed]);
  }
  if (moves.length > 0) effects.push({ kind: 'log', moves });
  effects.push({ kind: 'settled', side });
  const made = unsure.filter((change) => isCreation(change) && holds(tree, change.path, change.after));
  const next: SideState = {
    ...state[side],
    unsure: [],
    created: withCreated(
      created,
      now,
      made.map(({ path }) => path),
    ),
  };
  return { ...state, base: base.root, [side]: next };
}

/** A folder that could not be deleted, and of which nothing is known to be left, holds ignored entries: it is gone as far as sync goes. */
function settledAs(outcome: Outcome | undefined, there: Node | null, { path, after }: Planned): Outcome {
  if (outcome === undefined) return { path, result: 'failed', reason: 'io', message: 'there was no answer' };
  if (outcome.result !== 'failed' || outcome.reason !== 'occupied' || after !== null) return outcome;
  return there?.kind === 'dir' && there.children.size === 0 ? { path, result: 'done' } : outcome;
}

/** A deleted folder in which something has appeared since. */
function holdsMore(tree: Node | null, path: Path): boolean {
  const node = nodeAt(tree, path);
  return node?.kind === 'dir' && node.children.size > 0;
}

function holds(tree: Node | null, path: Path, entry: Planned['after']): boolean {
  return sameEntry(bare(nodeAt(tree, path)), entry);
}

/** The node without its children, to be compared. */
function bare(node: Node | null) {
  return node === null || node.kind === 'opaque' ? node : entryOf(node);
}

function firstSeen(seen: ReadonlyMap<Path, number>, path: Path, otherwise: number): number {
  const own = seen.get(path);
  if (own !== undefined) return own;
  for (const folder of above(path)) {
    const at = seen.get(folder);
    if (at !== undefined) return at;
  }
  return otherwise;
}

function block(
  blocked: Map<Path, Blocked>,
  path: Path,
  now: number,
  longest: number,
  message: string,
  reason?: string,
): void {
  const tries = (blocked.get(path)?.tries ?? 0) + 1;
  // What moved while it was read has news under way; the news ends the wait.
  const wait = reason === 'content-moved' ? RETRY_FIRST : Math.min(RETRY_FIRST * 2 ** tries, longest);
  blocked.set(path, { tries, until: now + wait, message });
}
