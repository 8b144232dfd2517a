/**
 * Taking hold of what is to be replaced or deleted, and proving that it is what was last seen: before it moves, and
 * again when it lies in quarantine, since somebody else may rename another file there between our last look and our
 * rename. What is not the victim goes back to its path.
 *
 * What is replaced comes into quarantine by an exchange of names. RACE: where the system has none (see rename.ts; not
 * Linux, some network file systems) or it would copy a large file up, new content is renamed over it, and a file that
 * comes in those microseconds is lost. Whatever is written into the victim itself is kept: its descriptor is held, see
 * late.ts.
 */
import { closeSync, fstatSync, linkSync, lstatSync, readlinkSync, renameSync, statfsSync, unlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { VICTIM_INLINE_LIMIT } from '../core/sync/endpoint.ts';
import type { Victim } from '../core/sync/endpoint.ts';
import type { Entry, FileNode, LinkNode } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import type { Exchange } from './rename.ts';
import { Moved } from './hands.ts';
import type { Step } from './hands.ts';
import { contentStampOf, isExec, openFile, readAny } from './reading.ts';

/** A file above this is neither linked nor moved on overlayfs, which would copy it up from a lower layer for that. Bytes. */
const COPY_UP_LIMIT = 16 * 1024 * 1024;

export interface Grip {
  readonly fd: number;
  /** As of the moment at which its content was proved. */
  readonly stat: BigIntStats;
  readonly data: Buffer | undefined;
  /** Its name in quarantine, when it was linked there. */
  readonly quarantine: string | null;
}

/** Opens the victim and compares it with `before`. `link`: it is kept in quarantine meanwhile; `open`: it will be moved there. Throws Moved. */
export async function grip(step: Step, before: FileNode, how: 'link' | 'open'): Promise<Grip> {
  const at = step.parent.at(step.name);
  step.parent.verify();
  const found = lstatSync(at, { bigint: true, throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new Moved(step.path);
  expect(step, found.size === BigInt(before.size) && (!step.hands.can.execBit || isExec(found) === before.exec));

  const trusted = step.hands.looker.proves(step.path, before, found);
  const quarantine = how === 'link' ? link(step, before) : null;
  // Without a quarantine this look is the last one: then it is read whatever its stamp says.
  const isKept = quarantine !== null || (how === 'open' && !isTooLarge(step, before.size));
  let fd: number | null = null;
  try {
    // Opened after the link: on overlayfs the link copies the file up, and only a descriptor of the copy sees late writes.
    fd = openFile(quarantine === null ? at : step.stage.at(quarantine));
    step.parent.verify();
    const stat = fstatSync(fd, { bigint: true });
    if (contentStampOf(stat) !== contentStampOf(found)) throw new Moved(step.path);
    if (trusted && stat.size > VICTIM_INLINE_LIMIT && isKept) return { fd, stat, data: undefined, quarantine };
    const reading = await readAny(fd);
    if (reading === null) throw new Moved(step.path);
    expect(step, reading.digest === before.digest);
    return { fd, stat: reading.stat, data: reading.data, quarantine };
  } catch (error) {
    if (fd !== null) closeSync(fd);
    if (quarantine !== null) step.hands.stage.drop(quarantine);
    throw error;
  }
}

function expect(step: Step, isAsBefore: boolean): void {
  if (!isAsBefore && step.hands.without !== 'before') throw new Moved(step.path);
}

/** The last look: throws Moved unless the path still leads to the victim, untouched. To be followed by the rename at once. */
export function recheck(step: Step, victim: Grip): void {
  if (step.hands.without === 'last-look') return;
  step.parent.verify();
  const now = lstatSync(step.parent.at(step.name), { bigint: true, throwIfNoEntry: false });
  if (now === undefined || contentStampOf(now) !== contentStampOf(victim.stat)) throw new Moved(step.path);
}

/** The victim is no longer at its path: what the outcome tells of it. Its descriptor is held for late writes. */
export function letGo(step: Step, before: FileNode, victim: Grip): Victim {
  const { fd, stat, data, quarantine } = victim;
  const wanted = quarantine === null && data === undefined;
  const open = step.hands.late.hold(step.path, fd, stat, before.digest, { wanted, quarantine });
  if (quarantine !== null) step.hands.stage.keep(quarantine, before);
  const held = quarantine ?? (wanted ? open : null);
  const { digest, size, exec } = before;
  return { digest, size, exec, ...(data === undefined ? {} : { data }), ...(held === null ? {} : { held }) };
}

export function abandon(step: Step, victim: Grip): void {
  closeSync(victim.fd);
  if (victim.quarantine !== null) step.hands.stage.drop(victim.quarantine);
}

/** How a file of that size is replaced: null where new content is renamed over it. */
export function exchangeFor(step: Step, size: number): Exchange | null {
  return step.hands.without === 'exchange' || isTooLarge(step, size) ? null : step.hands.exchange;
}

/** Puts what was staged in the place of the victim. Returns the grip on what stood there. Throws Moved: then it stands there again. */
export async function takePlace(step: Step, before: FileNode, victim: Grip, staged: string): Promise<Grip> {
  const exchange = exchangeFor(step, before.size);
  if (exchange !== null) {
    await swap(step, exchange, staged, isVictim(victim));
    return regrip(step, victim, staged);
  }
  renameSync(step.stage.at(staged), step.parent.at(step.name));
  return victim;
}

/** Moves the victim into quarantine. Returns the grip on what was moved. Throws Moved: then it stands there again. */
export async function moveAway(step: Step, before: FileNode, victim: Grip): Promise<Grip> {
  if (step.hands.without === 'quarantine' || isTooLarge(step, before.size)) {
    unlinkSync(step.parent.at(step.name));
    return victim;
  }
  return regrip(step, victim, await quarantine(step, isVictim(victim)));
}

/** Throws Moved unless the path holds this very link. */
export function checkLink(step: Step, before: LinkNode): void {
  step.parent.verify();
  if (!isLink(before)(step.parent.at(step.name))) throw new Moved(step.path);
}

/** As `takePlace`, for a link that was checked. */
export async function takePlaceOfLink(step: Step, before: LinkNode, staged: string): Promise<void> {
  const exchange = exchangeFor(step, 0);
  if (exchange === null) {
    renameSync(step.stage.at(staged), step.parent.at(step.name));
    return;
  }
  await swap(step, exchange, staged, isLink(before));
  step.hands.stage.redeem(staged);
}

/** As `moveAway`, for a link that was checked. */
export async function moveLinkAway(step: Step, before: LinkNode): Promise<void> {
  step.hands.stage.drop(await quarantine(step, isLink(before)));
}

type Is = (at: string) => boolean;

function isVictim({ stat }: Grip): Is {
  return (at) => contentStampOf(lstatSync(at, { bigint: true })) === contentStampOf(stat);
}

function isLink({ target }: LinkNode): Is {
  return (at) => lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true && readlinkSync(at) === target;
}

/** Moves whatever stands at the path into quarantine, and back unless it is what it should be. Returns its name there. */
async function quarantine({ hands, stage, parent, ...step }: Step, is: Is): Promise<string> {
  const name = hands.stage.name('victim');
  hands.stage.ticket(name, step.change);
  renameSync(parent.at(step.name), stage.at(name));
  if (is(stage.at(name))) return name;
  await hands.putBack(step.path, stage, name);
  hands.stage.redeem(name);
  throw new Moved(step.path);
}

/** What was staged and what stands at the path change places, and back unless that is what it should be. */
async function swap(step: Step, exchange: Exchange, staged: string, is: Is): Promise<void> {
  const { hands, stage, parent, change } = step;
  const at = stage.at(staged);
  const ours = lstatSync(at, { bigint: true });
  const { after } = change;
  hands.stage.ticket(staged, change);
  exchange(at, parent.at(step.name));
  if (is(at)) return;
  try {
    exchange(at, parent.at(step.name));
  } catch (error) {
    // Deleted meanwhile: what stood there before comes back, since its deleter saw only what is ours.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  if (isSame(lstatSync(at, { bigint: true }), ours)) holdOurs(step, at, ours, after);
  // Somebody came between the two, again: what he put there is not ours to drop.
  else await hands.putBack(step.path, stage, staged);
  hands.stage.redeem(staged);
  throw new Moved(step.path);
}

/** What stood at the path for a moment: whoever opened it there may write into it, as into a victim. `stat`: as it was before. */
function holdOurs({ hands, path }: Step, at: string, stat: BigIntStats, after: Entry | null): void {
  if (after?.kind === 'file') hands.late.hold(path, openFile(at), stat, after.digest);
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Opened again: on overlayfs the rename copied the file up, see `grip`. */
function regrip(step: Step, victim: Grip, name: string): Grip {
  let fd: number;
  try {
    fd = openFile(step.stage.at(name));
  } catch {
    // Too many are open, say. It is done by now, and what the victim held is not to be lost for that.
    return { ...victim, quarantine: name };
  }
  closeSync(victim.fd);
  return { ...victim, fd, quarantine: name };
}

function link(step: Step, before: FileNode): string | null {
  if (!step.hands.can.hardLinks) return null;
  if (isTooLarge(step, before.size)) return null;
  const name = step.hands.stage.name('victim');
  step.hands.stage.ticket(name, step.change);
  try {
    linkSync(step.parent.at(step.name), step.stage.at(name));
    return name;
  } catch (error) {
    step.hands.stage.drop(name);
    // Linux lets nobody link what he may not write (protected_hardlinks); others have too many links, or none.
    if (['EPERM', 'EACCES', 'EMLINK', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) return null;
    throw error;
  }
}

/** To be left where it is, since overlayfs would copy it up. */
function isTooLarge(step: Step, size: number): boolean {
  const OVERLAYFS = 0x794c7630; // statfs(2), OVERLAYFS_SUPER_MAGIC
  return size > COPY_UP_LIMIT && statfsSync(step.parent.here).type === OVERLAYFS;
}
