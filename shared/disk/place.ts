/** Putting new content at a path: where nothing stands, or over what was proved to be the victim. */
import {
  fchmodSync,
  fstatSync,
  linkSync,
  lchownSync,
  lstatSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { BigIntStats } from 'node:fs';
import type { FileNode, LinkNode } from '../core/sync/tree.ts';
import type { Attributes } from './attributes.ts';
import { isRoot, keptFrom, makeFolder, newFileIn, newFolderIn, setAttributes } from './attributes.ts';
import { codeOf } from './errno.ts';
import { Failed, Moved } from './hands.ts';
import type { Done, Step } from './hands.ts';
import {
  abandon,
  checkLink,
  exchangeFor,
  grip,
  letGo,
  moveAway,
  moveLinkAway,
  recheck,
  takePlace,
  takePlaceOfLink,
} from './victim.ts';
import type { Grip } from './victim.ts';
import { placeWhole } from './whole.ts';

export function createFile(step: Step, node: FileNode): void {
  const hidden = dress(step, newFileIn(step.parent.stat, node.exec, step.hands.owner));
  putWhereNothingIs(step, stagedOf(step).name);
  record(step, node, hidden);
}

function putWhereNothingIs(step: Step, staged: string): void {
  const from = step.stage.at(staged);
  const to = step.parent.at(step.name);
  step.parent.verify();
  if (step.hands.without === 'before') {
    renameSync(from, to);
    return;
  }
  if (step.hands.moveToFree !== null) {
    step.hands.moveToFree(from, to);
    return;
  }
  if (step.hands.can.hardLinks) {
    linkSync(from, to); // Never over anything, unlike rename.
    unlinkSync(from);
    return;
  }
  // RACE: without either, what is created here between these two calls is replaced.
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
    throw Object.assign(new Error(`something stands at ${step.path}`), { code: 'EEXIST' });
  }
  renameSync(from, to);
}

export function createLink(step: Step, node: LinkNode): void {
  step.parent.verify();
  const at = step.parent.at(step.name);
  symlinkSync(node.target, at);
  ownLink(step, at);
  step.hands.looker.recordLink(step.path, node);
}

export function createFolder(step: Step): void {
  const { hands, parent, name, path, whole } = step;
  parent.verify();
  if (whole !== undefined && placeWhole(step, whole)) return;
  makeFolder(hands.walker, parent, name, newFolderIn(parent.stat, hands.owner)).close();
  hands.looker.recordFolder(path);
}

export async function replaceFile(step: Step, before: FileNode, after: FileNode | LinkNode): Promise<Done> {
  let victim = await grip(step, before, exchangeFor(step, before.size) === null ? 'link' : 'open');
  let hidden: BigIntStats | undefined;
  try {
    if (after.kind === 'file' && after.digest === before.digest) return setExec(step, after, victim);
    const from = after.kind === 'file' ? stagedOf(step).name : stageLink(step, after);
    if (after.kind === 'file') hidden = dress(step, keptFrom(victim.stat, after.exec));
    recheck(step, victim);
    victim = await takePlace(step, before, victim, from);
  } catch (error) {
    abandon(step, victim);
    throw error;
  }
  record(step, after, hidden);
  return { victim: letGo(step, before, victim) };
}

function setExec(step: Step, after: FileNode, victim: Grip): Done {
  recheck(step, victim);
  fchmodSync(victim.fd, keptFrom(victim.stat, after.exec).mode);
  step.hands.looker.recordFile(step.path, after, fstatSync(victim.fd, { bigint: true }));
  abandon(step, victim);
  return {};
}

export async function replaceLink(step: Step, before: LinkNode, after: FileNode | LinkNode): Promise<Done> {
  checkLink(step, before);
  const hidden =
    after.kind === 'file' ? dress(step, newFileIn(step.parent.stat, after.exec, step.hands.owner)) : undefined;
  await takePlaceOfLink(step, before, after.kind === 'file' ? stagedOf(step).name : stageLink(step, after));
  record(step, after, hidden);
  return {};
}

export async function removeFile(step: Step, before: FileNode): Promise<Done> {
  let victim = await grip(step, before, 'open');
  try {
    recheck(step, victim);
    victim = await moveAway(step, before, victim);
  } catch (error) {
    abandon(step, victim);
    throw error;
  }
  step.hands.looker.recordGone(step.path);
  return { victim: letGo(step, before, victim) };
}

export async function removeLink(step: Step, before: LinkNode): Promise<void> {
  checkLink(step, before);
  await moveLinkAway(step, before);
  step.hands.looker.recordGone(step.path);
}

/** A folder that keeps ignored entries stays on the disk and is out of the tree: that is all that is asked. */
export async function removeFolder(step: Step): Promise<void> {
  step.parent.verify();
  const at = step.parent.at(step.name);
  if (lstatSync(at, { throwIfNoEntry: false })?.isDirectory() !== true) throw new Moved(step.path);
  try {
    rmdirSync(at);
    step.hands.looker.recordGone(step.path);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error;
    if ((await step.hands.looker.learn(step.path)) !== undefined) throw new Moved(step.path, { cause: error });
  }
}

/** What was staged gets its owner and mode. Returns how it is then. */
function dress(step: Step, wanted: Attributes): BigIntStats {
  const { fd } = stagedOf(step);
  setAttributes(fd, fstatSync(fd, { bigint: true }), wanted);
  return fstatSync(fd, { bigint: true });
}

/** `hidden`: what was staged, before it came to the path. Never fails: the change is made. */
function record({ hands, path, staged }: Step, after: FileNode | LinkNode, hidden: BigIntStats | undefined): void {
  if (after.kind === 'link') {
    hands.looker.recordLink(path, after);
    return;
  }
  const stat = staged && statOrNull(staged.fd);
  if (stat) hands.looker.recordFile(path, after, stat, hidden);
  else hands.looker.visit([path]);
}

/** Null where another client of a network file system has taken it away again, or the disk fails. */
function statOrNull(fd: number): BigIntStats | null {
  try {
    return fstatSync(fd, { bigint: true });
  } catch {
    return null;
  }
}

function stageLink(step: Step, node: LinkNode): string {
  const name = step.hands.stage.name('new');
  symlinkSync(node.target, step.stage.at(name));
  ownLink(step, step.stage.at(name));
  return name;
}

function ownLink(step: Step, at: string): void {
  if (!isRoot()) return;
  const { uid, gid } = newFileIn(step.parent.stat, false, step.hands.owner);
  lchownSync(at, uid, gid);
}

function stagedOf(step: Step) {
  if (step.staged === undefined) throw new Failed('content-moved', `${step.path}: its content did not come`);
  return step.staged;
}
