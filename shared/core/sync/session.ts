/**
 * The loop of synchronisation: `step(state, event) → [state, effects]`. It knows no clock, disk or wire.
 *
 * Both trees are what was seen last and may be behind the disks: every change says what it expects, and a refusal is
 * news. The base moves only where both sides are known to hold the same, or where a side has durably taken what the
 * other one held (S8).
 */
import { agree } from './agree.ts';
import { decide } from './attach.ts';
import { createdSince } from './created.ts';
import type { Change } from './endpoint.ts';
import { BRAKES, trippedBrake, type Brake, type Round } from './guard.ts';
import { answerBrake, intake } from './intake.ts';
import { reconcile, type Plan } from './reconcile.ts';
import { agreedBy, firstBatch, rulesFirst, select, type Selection } from './select.ts';
import type { Effect, Planned, Question, SessionConfig, SessionEvent, SessionState, SideState } from './state.ts';
import {
  EMPTY,
  entryOf,
  nodeAt,
  otherSide,
  type DirNode,
  type Entry,
  type Node,
  type Path,
  type Side,
} from './tree.ts';

const SIDES: readonly Side[] = ['host', 'container'];
/** How often a missing root is looked for. Milliseconds. */
const LOOK_FOR_ROOT = 2_000;

export function newSession(config: Partial<SessionConfig> = {}): SessionState {
  const side: SideState = {
    info: null,
    scan: 'needed',
    scanId: 0,
    scanAfter: 0,
    tree: null,
    flight: null,
    failure: null,
    unsure: [],
    blocked: new Map(),
    seen: new Map(),
    deletes: null,
    deletedLately: { gone: new Map(), since: EMPTY, at: 0 },
    created: [],
  };
  const { said = new Map() } = config;
  return {
    config: { policy: 'refuse', delicate: false, brakes: BRAKES, said, holdDeletes: true, ...config },
    phase: 'starting',
    base: EMPTY,
    host: side,
    container: side,
    history: null,
    mounts: null,
    unproven: false,
    chosen: EMPTY,
    adopting: false,
    answer: null,
    brake: null,
    allowed: new Set(),
    said,
    question: null,
    halted: null,
    conflicts: [],
    frozen: [],
    wasReady: false,
    serial: 0,
  };
}

export function step(state: SessionState, event: SessionEvent): readonly [SessionState, readonly Effect[]] {
  const effects: Effect[] = [];
  const known = intake(state, event, effects);
  // Nothing can be sent to the only side that this news could be for: it joins the next batch.
  if (known === state && event.type === 'observed') return [known, effects];
  const waits = event.type === 'observed' && known[otherSide(event.side)].flight !== null && known.phase === 'working';
  return [waits ? known : proceed(known, event.now, effects), effects];
}

/** Nothing is under way, and what was seen on both sides is agreed, frozen, or cannot be done for now. */
export function isSettled({ phase }: SessionState): boolean {
  return phase === 'ready';
}

function proceed(state: SessionState, now: number, effects: Effect[]): SessionState {
  let next = state;
  for (const side of SIDES) next = startScan(next, side, now, effects);
  if (!SIDES.every((side) => next[side].info !== null && next[side].scan === 'done')) {
    return next.phase === 'ready' ? { ...next, phase: 'working' } : next;
  }
  const { host, container } = { host: next.host.tree, container: next.container.tree };
  if (host === null || container === null) {
    effects.push({ kind: 'wake', at: now + LOOK_FOR_ROOT });
    return braked(next, { host, container }, { host: [], container: [] }, now, effects) ?? next;
  }
  if (next.history !== null) {
    const met = meet(next, host, container, effects);
    if (met.history !== null) return met;
    next = met;
  }
  return round(next, host, container, now, effects);
}

function startScan(state: SessionState, side: Side, now: number, effects: Effect[]): SessionState {
  const { info, scan, flight, scanAfter, tree } = state[side];
  const lookForRoot = scan === 'done' && tree === null && now >= scanAfter + LOOK_FOR_ROOT;
  if (info === null || flight !== null || (scan !== 'needed' && !lookForRoot)) return state;
  if (scanAfter > now) {
    effects.push({ kind: 'wake', at: scanAfter });
    return state;
  }
  const serial = state.serial + 1;
  effects.push({ kind: 'scan', side, id: serial });
  return { ...state, serial, [side]: { ...state[side], scan: 'running', scanId: serial, scanAfter: now } };
}

/** Decides what both have in common, or asks. */
function meet(state: SessionState, host: DirNode, container: DirNode, effects: Effect[]): SessionState {
  const { history, answer, config } = state;
  if (history === null) return state;
  const decision = decide({ history, host, container, answer, ...config });
  switch (decision.kind) {
    case 'go':
      return {
        ...state,
        // A base from this incarnation's own log has grown since, by what was unsure.
        base: history.kind === 'known' ? state.base : decision.base,
        unproven: !decision.proven,
        chosen: history.kind === 'known' ? EMPTY : decision.base,
        adopting: history.kind !== 'known',
        history: null,
        question: null,
        halted: null,
        phase: 'working',
      };
    case 'ask':
      return { ...state, phase: 'question', question: decision.question, halted: null };
    case 'refuse':
      return halt(state, decision, effects);
  }
}

function round(state: SessionState, host: DirNode, container: DirNode, now: number, effects: Effect[]): SessionState {
  const plan = reconcile({ base: state.base, host, container });
  const { agreed } = plan;
  if (agreed.moves.length > 0 && !state.adopting) effects.push({ kind: 'log', moves: agreed.moves });
  let next: SessionState = {
    ...state,
    base: agreed.base,
    host: { ...state.host, tree: agreed.host, blocked: stillWanted(state.host, plan.host) },
    container: { ...state.container, tree: agreed.container, blocked: stillWanted(state.container, plan.container) },
    frozen: plan.frozen,
    conflicts: plan.conflicts,
  };
  const selections = { host: select('host', plan, next, now), container: select('container', plan, next, now) };
  const due = { host: selections.host.due, container: selections.container.due };
  const stopped = braked(next, { host: agreed.host, container: agreed.container }, due, now, effects);
  if (stopped !== null) return stopped;

  if (next.adopting) {
    // The log never holds what was only chosen: interrupted, it ends as a union, in which nothing goes.
    effects.push({ kind: 'adopt', base: agree({ base: EMPTY, host: agreed.host, container: agreed.container }).base });
    next = { ...next, adopting: false };
  }
  tellConflicts(state, plan, effects);
  if (plan.host.length + plan.container.length === 0) next = { ...next, chosen: EMPTY };
  for (const side of SIDES) next = send(next, side, due[side], now, effects);
  wake(selections, effects);
  const idle = SIDES.every((side) => next[side].flight === null && due[side].length === 0 && !selections[side].waiting);
  return idle ? settle(next, effects) : { ...next, phase: 'working', brake: null, question: null, halted: null };
}

function stillWanted({ blocked }: SideState, changes: readonly Change[]): SideState['blocked'] {
  if (blocked.size === 0) return blocked;
  const wanted = new Set(changes.map(({ path }) => path));
  return new Map([...blocked].filter(([path]) => wanted.has(path)));
}

/** Null when no brake stops this round; where the user has spoken of it beforehand, what comes of his word. */
function braked(
  state: SessionState,
  trees: Round['trees'],
  due: Round['due'],
  now: number,
  effects: Effect[],
): SessionState | null {
  const { base, unproven, allowed, config, mounts, said } = state;
  const brake = trippedBrake(
    {
      base,
      trees,
      due,
      asks: config.policy === 'ask',
      unproven,
      createdLately: { host: createdSince(state.host), container: createdSince(state.container) },
      deletedLately: { host: state.host.deletedLately.gone, container: state.container.deletedLately.gone },
      mounts: {
        was: mounts,
        is: { host: state.host.info?.mount ?? false, container: state.container.info?.mount ?? false },
      },
    },
    allowed,
    config.brakes,
  );
  if (brake === null) return null;
  const word = said.get(brake.name);
  if (word !== undefined) {
    const left = new Map([...said].filter(([name]) => name !== brake.name));
    return proceed(answerBrake({ ...state, said: left }, brake, word, effects), now, effects);
  }
  const question = config.policy === 'ask' ? brakeQuestion(brake, state) : null;
  return { ...halt(state, brake, effects), brake, question };
}

function halt(
  state: SessionState,
  { reason, hint }: { readonly reason: string; readonly hint: string },
  effects: Effect[],
): SessionState {
  if (state.halted?.reason !== reason) effects.push({ kind: 'halted', reason, hint });
  return { ...state, phase: 'halted', halted: { reason, hint }, question: null };
}

function brakeQuestion({ name, reason }: Brake, { question, serial }: SessionState): Question | null {
  const goOn = { key: 'g', label: 'this is meant: go on', value: 'go-on' };
  const restore = { key: 'b', label: 'bring the files back from the other side', value: 'restore' };
  if (name === 'root-missing') return null;
  const choices = name === 'emptied' || name === 'mass-delete' ? [goOn, restore] : [goOn];
  // The same accident at another time is another question.
  const id = question?.text === reason ? question.id : `brake ${serial}: ${reason}`;
  return { id, text: reason, details: [], choices };
}

function send(state: SessionState, side: Side, due: readonly Planned[], now: number, effects: Effect[]): SessionState {
  if (due.length === 0 || state[side].flight !== null) return state;
  const other = state[otherSide(side)].tree;
  const changes = firstBatch(side === 'host' ? rulesFirst(due) : due).map((change): Planned => {
    // Half of what was only chosen is in common no more than the whole.
    const chosen = nodeAt(state.chosen, change.path) !== null;
    const base = chosen ? null : entryAt(state.base, change.path);
    const agreed = agreedBy(base, entryAt(other, change.path), change.after);
    const planned = agreed === undefined ? change : { ...change, agreed };
    return isSole(state, side, change) ? { ...planned, sole: true } : planned;
  });
  const id = state.serial + 1;
  effects.push({ kind: 'apply', side, id, changes });
  return {
    ...state,
    serial: id,
    unproven: false,
    [side]: { ...state[side], flight: { id, changes, sentAt: now, touched: new Set<Path>() } },
  };
}

function isSole({ chosen, conflicts }: SessionState, side: Side, { path, before, after }: Change): boolean {
  if (before?.kind !== 'file' || (after?.kind === 'file' && after.digest === before.digest)) return false;
  const word = nodeAt(chosen, path);
  if (word?.kind === 'file' && word.digest === before.digest) return true;
  return (
    side === 'container' &&
    conflicts.some(({ path: top, kept }) => kept === null && (path === top || path.startsWith(`${top}/`)))
  );
}

function settle(state: SessionState, effects: Effect[]): SessionState {
  if (!state.wasReady) effects.push({ kind: 'ready' });
  if (state.phase !== 'ready') effects.push({ kind: 'idle' });
  const rest = (side: SideState): SideState => ({ ...side, seen: new Map(), deletes: null });
  return {
    ...state,
    phase: 'ready',
    wasReady: true,
    unproven: false,
    allowed: new Set(),
    said: new Map(),
    brake: null,
    question: null,
    halted: null,
    host: rest(state.host),
    container: rest(state.container),
  };
}

function wake(selections: Readonly<Record<Side, Selection>>, effects: Effect[]): void {
  const times = SIDES.flatMap((side) => selections[side].wakeAt ?? []);
  if (times.length > 0) effects.push({ kind: 'wake', at: Math.min(...times) });
}

function tellConflicts(before: SessionState, { conflicts }: Plan, effects: Effect[]): void {
  for (const { path, kept } of conflicts) {
    if (before.conflicts.some((known) => known.path === path && known.kept === kept)) continue;
    effects.push({ kind: 'conflict', path, kept });
  }
}

function entryAt(tree: DirNode | null, path: Path): Entry | null {
  const node: Node | null = nodeAt(tree, path);
  return node === null || node.kind === 'opaque' ? null : entryOf(node);
}
