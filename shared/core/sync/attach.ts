/**
 * What two folders that meet have in common: nothing is taken for deleted, and nobody's version for the older one,
 * unless their history proves it or the user says so.
 */
import { FOLDER } from './guard.ts';
import {
  byCodeUnits,
  childOf,
  EMPTY,
  equal,
  hasOpaque,
  join,
  walk,
  type DirNode,
  type Node,
  type Path,
  type Side,
} from './tree.ts';

export type History =
  /** The base of this very incarnation, or one that the image's label or the same mount proves. */
  | { readonly kind: 'known'; readonly base: DirNode }
  /**
   * Another container of the same name was synchronised with this folder, or an earlier start whose folder is gone. `known`: every path that those two ever had
   * in common. `image`: this container's folder as its image has it; null when it was edited before it was seen.
   */
  | { readonly kind: 'recreated'; readonly known: DirNode; readonly image: DirNode | null }
  | { readonly kind: 'new' };

/** What to do where both sides have content and no history: a flag, a question, or (without a terminal) a refusal. */
export type Policy = 'host' | 'container' | 'union' | 'ask' | 'refuse';

export interface Choice {
  readonly key: string;
  readonly label: string;
  readonly value: string;
}

export interface AttachQuestion {
  readonly id: string;
  readonly text: string;
  /** Up to 20 paths with what differs. */
  readonly details: readonly string[];
  readonly choices: readonly Choice[];
}

export type Decision =
  /** `proven` by history, by one side being empty, or by the user's word. */
  | { readonly kind: 'go'; readonly base: DirNode; readonly proven: boolean }
  | { readonly kind: 'ask'; readonly question: AttachQuestion }
  | { readonly kind: 'refuse'; readonly reason: string; readonly hint: string };

export interface Meeting {
  readonly history: History;
  readonly host: DirNode;
  readonly container: DirNode;
  readonly policy: Policy;
  /** The user's answer to the question, once there is one. */
  readonly answer: string | null;
  /** The host's folder is a home folder or a file system's root: never taken without a question. */
  readonly delicate: boolean;
}

const CHOICES: readonly Choice[] = [
  { key: 'h', label: 'take this machine’s version where both have one', value: 'host' },
  { key: 'c', label: 'take the container’s version where both have one', value: 'container' },
  { key: 'u', label: 'keep both versions: the container’s as conflict copies', value: 'union' },
  { key: 'n', label: 'do not sync', value: 'stop' },
];

export function decide({ history, host, container, policy, answer, delicate }: Meeting): Decision {
  if (history.kind === 'known') return { kind: 'go', base: history.base, proven: true };
  const word = answer ?? policy;
  switch (word) {
    case 'host':
      return { kind: 'go', base: loserAsBase(host, container), proven: true };
    case 'container':
      return { kind: 'go', base: loserAsBase(container, host), proven: true };
    case 'union':
      return { kind: 'go', base: EMPTY, proven: true };
    case 'stop':
      return { kind: 'refuse', reason: 'You chose not to sync these folders.', hint: 'Start again to choose anew.' };
  }
  if (!delicate || equal(host, container)) {
    if (host.children.size === 0 || container.children.size === 0 || equal(host, container)) {
      return { kind: 'go', base: EMPTY, proven: true };
    }
    if (history.kind === 'recreated' && history.image !== null) {
      return { kind: 'go', base: imageAsBase(history.known, host, history.image), proven: false };
    }
    // Without a terminal a recreated container that was edited keeps everything: the host keeps the paths.
    if (history.kind === 'recreated' && policy === 'refuse') return { kind: 'go', base: EMPTY, proven: false };
  }
  const { summary, details } = differences(host, container);
  const folder = delicate ? `${FOLDER.host}, which is a home folder or a whole disk` : FOLDER.host;
  if (policy === 'ask') {
    const anew = history.kind === 'recreated' ? ' was made anew and' : '';
    const text = `The container’s app folder${anew} differs from ${folder}: ${summary}.`;
    return { kind: 'ask', question: { id: `attach: ${summary}`, text, details, choices: CHOICES } };
  }
  return {
    kind: 'refuse',
    reason: delicate
      ? `The container’s app folder differs from ${folder}: ${summary}.`
      : `Both folders have content and differ: ${summary}.`,
    hint: 'Choose with --prefer host, --prefer container or --union.',
  };
}

/** Where both have something, the loser's: so the loser counts as unchanged and the winner as edited. */
function loserAsBase(winner: DirNode, loser: DirNode): DirNode {
  const children = new Map<string, Node>();
  for (const [name, theirs] of loser.children) {
    const ours = childOf(winner, name);
    if (ours === null || ours.kind === 'opaque' || theirs.kind === 'opaque') continue;
    if (ours.kind === 'dir' && theirs.kind === 'dir') children.set(name, loserAsBase(ours, theirs));
    else if (!hasOpaque(theirs)) children.set(name, theirs);
  }
  return { kind: 'dir', children };
}

/**
 * What the container's folder has of its image is older than the host's: base wherever the host has something too, or once had
 * it in common with a container of this name (and has deleted it since).
 */
function imageAsBase(known: DirNode | null, host: DirNode, image: DirNode): DirNode {
  const children = new Map<string, Node>();
  for (const [name, theirs] of image.children) {
    const ours = childOf(host, name);
    const once = childOf(known, name);
    if (theirs.kind === 'opaque' || ours?.kind === 'opaque' || (ours === null && once === null)) continue;
    if (theirs.kind === 'dir' && (ours === null ? once?.kind === 'dir' : ours.kind === 'dir')) {
      children.set(name, imageAsBase(once?.kind === 'dir' ? once : null, ours?.kind === 'dir' ? ours : EMPTY, theirs));
    } else if (!hasOpaque(theirs)) {
      children.set(name, theirs);
    }
  }
  return { kind: 'dir', children };
}

const DETAILS = 20;

function differences(host: DirNode, container: DirNode): { readonly summary: string; readonly details: string[] } {
  const lists: Record<Side | 'both', Path[]> = { host: [], container: [], both: [] };
  compare('', host, container, lists);
  const counted = [
    [lists.both.length, 'differ'],
    [lists.host.length, 'only on this machine'],
    [lists.container.length, 'only in the container'],
  ] as const;
  const summary = counted.flatMap(([n, what]) => (n === 0 ? [] : [`${n} ${what}`])).join(', ');
  const details = [
    ...lists.both.map((path) => `${path}: differs`),
    ...lists.host.map((path) => `${path}: only on this machine`),
    ...lists.container.map((path) => `${path}: only in the container`),
  ];
  return { summary, details: details.slice(0, DETAILS) };
}

function compare(path: Path, host: DirNode, container: DirNode, lists: Record<Side | 'both', Path[]>): void {
  const names = new Set([...host.children.keys(), ...container.children.keys()]);
  for (const name of [...names].sort(byCodeUnits)) {
    const at = join(path, name);
    const [ours, theirs] = [childOf(host, name), childOf(container, name)];
    if (ours === null) listFiles(at, theirs, lists.container);
    else if (theirs === null) listFiles(at, ours, lists.host);
    else if (ours.kind === 'dir' && theirs.kind === 'dir') compare(at, ours, theirs, lists);
    else if (!equal(ours, theirs)) lists.both.push(at);
  }
}

function listFiles(path: Path, node: Node | null, list: Path[]): void {
  if (node === null) return;
  if (node.kind !== 'dir' || node.children.size === 0) list.push(path);
  for (const [at, child] of walk(node, path)) if (child.kind !== 'dir') list.push(at);
}
