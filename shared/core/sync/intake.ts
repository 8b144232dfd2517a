/** What an event teaches, before anything is decided. */
import { meant, type Brake, type Word } from './guard.ts';
import { applyOutcomes, settleUnsure } from './outcomes.ts';
import { heldUntil } from './select.ts';
import type { Blocked, Effect, Planned, Seen, SessionEvent, SessionState, SideState } from './state.ts';
import {
  above,
  EMPTY,
  equal,
  nodeAt,
  otherSide,
  TreeEdit,
  type DirNode,
  type Node,
  type Path,
  type Side,
} from './tree.ts';

const SCAN_AGAIN = 1_000;

export function intake(state: SessionState, event: SessionEvent, effects: Effect[]): SessionState {
  switch (event.type) {
    case 'host-attached':
      return withSide(state, 'host', { ...state.host, info: event.info, scan: 'needed' });
    case 'container-attached':
      return attachContainer(state, event, effects);
    case 'container-detached':
      return withSide(state, 'container', {
        ...state.container,
        info: null,
        scan: 'needed',
        scanId: 0,
        flight: null,
        unsure: [...state.container.unsure, ...(state.container.flight?.changes ?? [])],
      });
    case 'scanned': {
      const { side, id, root } = event;
      if (!isRunning(state[side], id)) return state;
      const again = state[side].scan === 'stale';
      const tree = root === null ? null : knownExec(state, side, '', root);
      if (tree !== null && tree.kind !== 'dir') throw new TypeError('a root that is no folder');
      // A folder that went away keeps what was sent unsure, until it is there again.
      const scanned = withKnownExec(
        withSide(state, side, {
          ...state[side],
          scan: again ? 'needed' : 'done',
          tree,
          blocked: stillBlocked(state[side], tree),
          failure: null,
        }),
        otherSide(side),
      );
      return tree === null ? scanned : settleUnsure(scanned, side, event.now, effects);
    }
    case 'scan-failed': {
      const { side, id, now, message } = event;
      if (!isRunning(state[side], id)) return state;
      return withSide(state, side, { ...state[side], scan: 'needed', scanAfter: now + SCAN_AGAIN, failure: message });
    }
    case 'observed':
      return observe(state, event.side, event.batch, event.now);
    case 'hints-lost':
      return needScan(state, event.side);
    case 'applied':
      if (state[event.side].flight?.id !== event.id) return state;
      return applyOutcomes(state, event.side, event.outcomes, event.now, effects);
    case 'apply-failed': {
      const side = state[event.side];
      if (side.flight?.id !== event.id) return state;
      const unsure = [...side.unsure, ...side.flight.changes];
      const scanAfter = event.now + SCAN_AGAIN;
      return withSide(state, event.side, {
        ...side,
        flight: null,
        unsure,
        scan: 'needed',
        scanAfter,
        failure: event.message,
      });
    }
    case 'answered':
      return answer(state, event.question, event.value, effects);
    case 'rescan': {
      const anew = { blocked: new Map<Path, Blocked>() };
      const free = { ...state, host: { ...state.host, ...anew }, container: { ...state.container, ...anew } };
      return needScan(needScan(free, 'host'), 'container');
    }
    case 'tick':
      return state;
  }
}

function attachContainer(
  state: SessionState,
  event: Extract<SessionEvent, { type: 'container-attached' }>,
  effects: Effect[],
): SessionState {
  const container: SideState = {
    ...state.container,
    info: event.info,
    scan: 'needed',
    scanAfter: 0,
    blocked: new Map(),
  };
  if (event.history === null) return { ...state, container };
  // Another incarnation: what is under way on the host was agreed with the old one.
  const { flight } = state.host;
  const host: SideState = {
    ...state.host,
    flight: flight === null ? null : { ...flight, changes: flight.changes.map(withoutAgreement) },
    unsure: event.intents.filter(({ side }) => side === 'host').map((intent) => ({ ...intent, before: null })),
    created: [...event.created.host, ...state.host.created],
  };
  const unsure = event.intents
    .filter(({ side }) => side === 'container')
    .map((intent) => ({ ...intent, before: null }));
  const next: SessionState = {
    ...state,
    base: event.history.kind === 'known' ? event.history.base : EMPTY,
    host,
    container: {
      ...container,
      tree: null,
      flight: null,
      unsure,
      blocked: new Map(),
      seen: new Map(),
      deletes: null,
      created: event.created.container,
    },
    history: event.history,
    mounts: event.mounts,
    unproven: false,
    chosen: EMPTY,
    adopting: false,
    answer: null,
    brake: null,
    allowed: new Set(),
    question: null,
    halted: null,
    wasReady: false,
  };
  return host.scan === 'done' && host.tree !== null ? settleUnsure(next, 'host', event.now, effects) : next;
}

function withoutAgreement({ path, before, after }: Planned): Planned {
  return { path, before, after };
}

function observe(state: SessionState, side: Side, batch: readonly Seen[], now: number): SessionState {
  const old = state[side];
  let tree = old.tree;
  const touched = new Set(old.flight?.touched);
  const seen = new Map(old.seen);
  const news: Path[] = [];
  let deletes = heldUntil(old, now) === null ? null : old.deletes;
  let { scan, scanAfter } = old;
  let edit: TreeEdit | null = null;
  for (const { path, node: found } of batch) {
    touched.add(path);
    if (path === '') {
      // The root itself came or went. What was sent before may have been taken or not: only a scan settles that.
      tree = found?.kind === 'dir' ? found : null;
      if (tree !== null) {
        scan = isLooking(old) ? 'stale' : 'needed';
        scanAfter = 0;
      }
      edit = null;
      news.push(path);
      continue;
    }
    if (tree === null) continue;
    const node = found === null ? null : knownExec(state, side, path, found);
    // Our own write, told back.
    if (equal(nodeAt(edit?.root ?? tree, path), node)) continue;
    edit ??= new TreeEdit(tree);
    edit.set(path, node);
    tree = edit.root;
    news.push(path);
    if (!seen.has(path)) seen.set(path, now);
    if (node === null && state.config.holdDeletes) deletes = { first: deletes?.first ?? now, last: now };
  }
  const flight = old.flight === null ? null : { ...old.flight, touched };
  if (news.length === 0) return flight === null ? state : withSide(state, side, { ...old, flight });
  const next = withSide(state, side, { ...unblock(old, news), tree, seen, deletes, flight, scan, scanAfter });
  return withSide(next, otherSide(side), unblock(next[otherSide(side)], news));
}

/** A scan is news only of what it finds changed: the rest waits on. */
function stillBlocked({ tree: before, blocked }: SideState, tree: DirNode | null): SideState['blocked'] {
  return new Map(
    [...blocked].filter(([path]) =>
      [path, ...above(path)].every((at) => {
        const [was, is] = [nodeAt(before, at), nodeAt(tree, at)];
        return at === path ? equal(was, is) : was?.kind === is?.kind;
      }),
    ),
  );
}

/** News of a path ends the wait for it, for what is below and for the folders above. */
function unblock(side: SideState, news: readonly Path[]): SideState {
  if (side.blocked.size === 0) return side;
  const blocked = new Map(side.blocked);
  for (const path of side.blocked.keys()) {
    const related = news.some(
      (at) => at === path || at.startsWith(`${path}/`) || path.startsWith(`${at}/`) || at === '',
    );
    if (related) blocked.delete(path);
  }
  return { ...side, blocked };
}

function isRunning(side: SideState, id: number): boolean {
  return side.scanId === id && isLooking(side);
}

function isLooking({ scan }: SideState): boolean {
  return scan === 'running' || scan === 'stale';
}

function needScan(state: SessionState, side: Side): SessionState {
  const old = state[side];
  if (old.info === null) return state;
  return withSide(state, side, { ...old, scan: isLooking(old) ? 'stale' : 'needed', scanAfter: 0 });
}

/** What was seen before the other side was is seen anew in its light. */
function withKnownExec(state: SessionState, side: Side): SessionState {
  const { tree } = state[side];
  if (tree === null) return state;
  const known = knownExec(state, side, '', tree);
  return known === tree || known.kind !== 'dir' ? state : withSide(state, side, { ...state[side], tree: known });
}

/** A side without executable bits takes them from the other one, or from the past. */
function knownExec(state: SessionState, side: Side, path: Path, node: Node): Node {
  if (state[side].info?.execBit !== false) return node;
  return takeExec(node, nodeAt(state[otherSide(side)].tree, path), nodeAt(state.base, path));
}

function takeExec(node: Node, other: Node | null, base: Node | null): Node {
  if (node.kind === 'file') {
    const like = other?.kind === 'file' ? other : base?.kind === 'file' ? base : null;
    return like === null || like.exec === node.exec ? node : { ...node, exec: like.exec };
  }
  if (node.kind !== 'dir') return node;
  const below = (of: Node | null, name: string) => (of?.kind === 'dir' ? (of.children.get(name) ?? null) : null);
  const children = Array.from(
    node.children,
    ([name, child]) => [name, takeExec(child, below(other, name), below(base, name))] as const,
  );
  return { kind: 'dir', children: new Map(children) };
}

function answer(state: SessionState, question: string, value: string, effects: Effect[]): SessionState {
  if (state.question?.id !== question) return state;
  if (state.history !== null) return { ...state, answer: value, question: null };
  if (state.brake === null || (value !== 'go-on' && value !== 'restore')) return state;
  return answerBrake(state, state.brake, value, effects);
}

export function answerBrake(state: SessionState, brake: Brake, word: Word, effects: Effect[]): SessionState {
  if (word === 'go-on') {
    const mounts = brake.name === 'mount' ? null : state.mounts;
    return { ...state, allowed: new Set([...state.allowed, meant(brake)]), question: null, mounts };
  }
  // What is missing on the braked side counts as never agreed, so that the other side's version is new to it.
  const lost = new TreeEdit(state.base);
  const moves: [Path, null][] = [];
  forget(state.base, state[brake.side].tree, '', lost, moves);
  effects.push({ kind: 'log', moves });
  return { ...state, base: lost.root, question: null };
}

function forget(base: Node, there: Node | null, path: Path, lost: TreeEdit, moves: [Path, null][]): void {
  if (there === null && path !== '') {
    lost.set(path, null);
    moves.push([path, null]);
  } else if (base.kind === 'dir') {
    for (const [name, child] of base.children) {
      const below = there?.kind === 'dir' ? (there.children.get(name) ?? null) : null;
      forget(child, below, path === '' ? name : `${path}/${name}`, lost, moves);
    }
  }
}

function withSide(state: SessionState, side: Side, next: SideState): SessionState {
  return { ...state, [side]: next };
}
