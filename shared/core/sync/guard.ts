/**
 * The brakes: what looks like an accident is asked about before it is carried over. Each is a predicate of its own
 * over one round; a test can leave one out and must then fail.
 */
import { cameAfterAll, type Created } from './created.ts';
import type { Change } from './endpoint.ts';
import { count, otherSide, walk, type Digest, type DirNode, type Path, type Side } from './tree.ts';

export type BrakeName = 'root-missing' | 'mount' | 'emptied' | 'mass-delete' | 'flood';

/** Those that the user's word lets go: there is nothing to go on with where a root is missing. */
export const MEANT = ['mount', 'emptied', 'mass-delete', 'flood'] as const satisfies readonly BrakeName[];

/** `restore`: what is missing comes back from the other side. */
export type Word = 'go-on' | 'restore';

/** A brake that may be gone past: what is meant on one side is not meant on the other. */
export type Meant = `${BrakeName} ${Side}`;

export interface Brake {
  readonly name: BrakeName;
  /** The side where it looks like an accident. */
  readonly side: Side;
  readonly reason: string;
  /** What to put right, and how to go on otherwise. */
  readonly hint: string;
}

export interface Round {
  readonly base: DirNode;
  /** Null: the folder is missing, is no folder, or is on another mount than when it was opened. */
  readonly trees: Readonly<Record<Side, DirNode | null>>;
  /** What is about to be done to each side. */
  readonly due: Readonly<Record<Side, readonly Change[]>>;
  /** What was deleted on each side just before, with its digest: one accident may come in several rounds. */
  readonly deletedLately: Readonly<Record<Side, ReadonlyMap<Path, Digest | null>>>;
  /** What sync itself created on each side of late: a folder that holds nothing else was emptied all the same. */
  readonly createdLately: Readonly<Record<Side, readonly Created[]>>;
  /** Somebody can be asked; else a word is a flag of the next start. */
  readonly asks: boolean;
  /** No history and no word from the user: nobody knows yet whether these two folders belong together. */
  readonly unproven: boolean;
  /** Whether each root was and is a mount point; null while nothing is known of earlier. */
  readonly mounts: {
    readonly was: Readonly<Record<Side, boolean>> | null;
    readonly is: Readonly<Record<Side, boolean>>;
  };
}

export type Brakes = Readonly<Record<BrakeName, (round: Round, side: Side) => Brake | null>>;

const SIDES: readonly Side[] = ['host', 'container'];
const MASS_DELETE = 50;
const FLOOD_FILES = 200;
const FLOOD_BYTES = 20 * 1024 * 1024;

export const FOLDER: Readonly<Record<Side, string>> = {
  host: 'the folder on this machine',
  container: 'the container’s app folder',
};

export const BRAKES: Brakes = {
  'root-missing': (round, side) => {
    if (round.trees[side] !== null) return null;
    return {
      name: 'root-missing',
      side,
      reason: `${capital(FOLDER[side])} is missing, may not be read, is no folder, or is on another mount than before.`,
      hint: `Nothing was deleted on the other side. Bring the folder back${round.asks ? ', and sync goes on by itself; if another mount is meant, start Drydock again' : ' and start again; if another mount is meant, just start again'}.`,
    };
  },

  mount: (round, side) => {
    const { was, is } = round.mounts;
    if (was === null || was[side] === is[side]) return null;
    return {
      name: 'mount',
      side,
      reason: `${capital(FOLDER[side])} ${is[side] ? 'is now a mount' : 'is no longer a mount'}: this may be another folder than before.`,
      hint: `Mount it as it was${round.asks ? ', or answer that this is the folder to go on with' : ' and start again, with --go-on mount if this is the folder to go on with'}.`,
    };
  },

  emptied: (round, side) => {
    const tree = round.trees[side];
    if (tree === null || count(round.base, 2) < 2 || !round.due[otherSide(side)].some(isDelete)) return null;
    const holdsSome = tree.children.size > 0;
    if (holdsSome && !cameAfterAll(tree, round.base, round.createdLately[side])) return null;
    return {
      name: 'emptied',
      side,
      reason: `${capital(FOLDER[side])} is empty now${holdsSome ? ', but for what sync has put there since' : ''}; going on would empty ${FOLDER[otherSide(side)]} as well.`,
      hint: `Nothing was deleted on the other side. ${backOrMeant(round, 'emptied')}`,
    };
  },

  'mass-delete': (round, side) => {
    const target = otherSide(side);
    const due = deletedFiles(round.due[target]);
    if (due + round.deletedLately[target].size < MASS_DELETE || !round.due[target].some(isDelete)) return null;
    const before = stillGone(round.deletedLately[target], round.base);
    const gone = due + before;
    if (gone < MASS_DELETE || gone * 2 <= countFiles(round.base) + before) return null;
    return {
      name: 'mass-delete',
      side,
      reason: `${gone} files, more than half, were deleted in ${FOLDER[side]}.`,
      hint: `They are still in ${FOLDER[target]}. ${backOrMeant(round, 'mass-delete')}`,
    };
  },

  flood: (round, side) => {
    if (!round.unproven || round.trees[side]?.children.size === 0) return null;
    const files = round.due[side].flatMap(({ before, after }) =>
      before === null && after?.kind === 'file' ? [after.size] : [],
    );
    const bytes = files.reduce((sum, size) => sum + size, 0);
    if (files.length <= FLOOD_FILES && bytes <= FLOOD_BYTES) return null;
    return {
      name: 'flood',
      side,
      reason: `The first round would create ${files.length} files (${(bytes / 1e6).toFixed(1)} MB) in ${FOLDER[side]}, which is not empty.`,
      hint: `Check that the two folders belong together; --dir and --root name others. If they do, ${round.asks ? 'answer so' : 'start again with --go-on flood'}.`,
    };
  },
};

export function meant({ name, side }: Brake): Meant {
  return `${name} ${side}`;
}

/** The first brake that this round trips, those in `allowed` apart. */
export function trippedBrake(
  round: Round,
  allowed: ReadonlySet<Meant>,
  brakes: Partial<Brakes> = BRAKES,
): Brake | null {
  for (const brake of Object.values(brakes)) {
    for (const side of SIDES) {
      const tripped = brake(round, side);
      if (tripped !== null && !allowed.has(meant(tripped))) return tripped;
    }
  }
  return null;
}

function backOrMeant({ asks }: Round, name: BrakeName): string {
  if (asks) return 'Put the files back, or answer what to do.';
  return `Put the files back and start again; with --restore they come back from the other side, with --go-on ${name} they go there as well.`;
}

/** Files and links that go for good: a digest that reappears elsewhere is a move. */
function deletedFiles(changes: readonly Change[]): number {
  const made = new Set(changes.map(({ after }) => (after?.kind === 'file' ? after.digest : null)));
  return changes.filter(
    ({ before, after }) =>
      after === null &&
      before !== null &&
      before.kind !== 'dir' &&
      !(before.kind === 'file' && made.has(before.digest)),
  ).length;
}

/** Of what was deleted: neither back at its path nor there under another name. */
function stillGone(deleted: ReadonlyMap<Path, Digest | null>, base: DirNode): number {
  const paths = new Set<Path>();
  const digests = new Set<Digest | null>();
  for (const [path, node] of walk(base)) {
    paths.add(path);
    if (node.kind === 'file') digests.add(node.digest);
  }
  return [...deleted].filter(([path, digest]) => !paths.has(path) && !digests.has(digest)).length;
}

function isDelete({ after }: Change): boolean {
  return after === null;
}

function countFiles(tree: DirNode): number {
  let n = 0;
  for (const [, node] of walk(tree)) if (node.kind !== 'dir') n++;
  return n;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
