/**
 * Taking hold of the file that is to be replaced or deleted, and proving that it is the one that was last seen.
 *
 * RACE: between the last look at the path and our rename over it lie a few microseconds in which somebody else may
 * rename another file there; that file is lost (renameat2's RENAME_EXCHANGE would keep it, Node does not offer it).
 * Whatever is written into the victim itself is kept: its descriptor is held, see late.ts.
 */
import { closeSync, fstatSync, linkSync, lstatSync, readlinkSync, renameSync, statfsSync, unlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { VICTIM_INLINE_LIMIT } from '../core/sync/endpoint.ts';
import type { Victim } from '../core/sync/endpoint.ts';
import type { FileNode, LinkNode } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { Moved } from './hands.ts';
import type { Step } from './hands.ts';
import { contentStampOf, isExec, openFile, readAny } from './reading.ts';
import { dropVictim } from './stage.ts';

/** A lower-layer file above this is not linked, since overlayfs would copy it up for that. Bytes. */
const COPY_UP_LIMIT = 16 * 1024 * 1024;

export interface Grip {
  readonly fd: number;
  /** As of the moment at which its content was proved. */
  readonly stat: BigIntStats;
  readonly data: Buffer | undefined;
  /** Its name in quarantine, when it was linked there. */
  readonly quarantine: string | null;
}

/** Opens the victim and compares it with `before`. `how` is `link` where it is to be kept in quarantine meanwhile. Throws Moved. */
export async function grip(step: Step, before: FileNode, how: 'link' | 'open'): Promise<Grip> {
  const at = step.parent.at(step.name);
  step.parent.verify();
  const found = lstatSync(at, { bigint: true, throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new Moved(step.path);
  expect(step, found.size === BigInt(before.size) && (!step.hands.can.execBit || isExec(found) === before.exec));

  const trusted = step.hands.looker.proves(step.path, before, found);
  const quarantine = how === 'link' ? link(step, before, found) : null;
  let fd: number | null = null;
  try {
    // Opened after the link: on overlayfs the link copies the file up, and only a descriptor of the copy sees late writes.
    fd = openFile(quarantine === null ? at : step.stage.at(quarantine));
    step.parent.verify();
    const stat = fstatSync(fd, { bigint: true });
    if (contentStampOf(stat) !== contentStampOf(found)) throw new Moved(step.path);
    if (trusted && stat.size > VICTIM_INLINE_LIMIT) return { fd, stat, data: undefined, quarantine };
    const reading = await readAny(fd);
    if (reading === null) throw new Moved(step.path);
    expect(step, reading.digest === before.digest);
    return { fd, stat: reading.stat, data: reading.data, quarantine };
  } catch (error) {
    if (fd !== null) closeSync(fd);
    if (quarantine !== null) dropVictim(step.stage, quarantine);
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
  const held = step.hands.late.hold(step.path, victim.fd, victim.stat, before.digest, victim.data === undefined);
  if (victim.quarantine !== null) dropVictim(step.stage, victim.quarantine);
  const { digest, size, exec } = before;
  return victim.data === undefined ? { digest, size, exec, held } : { digest, size, exec, data: victim.data };
}

export function abandon(step: Step, victim: Grip): void {
  closeSync(victim.fd);
  if (victim.quarantine !== null) dropVictim(step.stage, victim.quarantine);
}

/**
 * Moves whatever stands at the path into quarantine, and back if it is not the victim as it was proved. Returns the
 * grip on what was moved.
 */
export async function moveAway(step: Step, before: FileNode, victim: Grip): Promise<Grip> {
  const at = step.parent.at(step.name);
  if (step.hands.without === 'quarantine' || (victim.stat.size > COPY_UP_LIMIT && isOverlay(step))) {
    unlinkSync(at);
    return victim;
  }
  const name = step.hands.stage.ticket(step.path, before.digest);
  renameSync(at, step.stage.at(name));
  const moved = lstatSync(step.stage.at(name), { bigint: true });
  if (contentStampOf(moved) === contentStampOf(victim.stat)) {
    // Opened again: on overlayfs the rename copied the file up, see `grip`.
    const fd = openFile(step.stage.at(name));
    closeSync(victim.fd);
    return { ...victim, fd, quarantine: name };
  }
  await step.hands.putBack(step.path, step.stage, name);
  throw new Moved(step.path);
}

/** Throws Moved unless the path holds this very link. RACE: as above; a link's content is its name. */
export function checkLink(step: Step, before: LinkNode): void {
  step.parent.verify();
  const at = step.parent.at(step.name);
  if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() !== true) throw new Moved(step.path);
  if (readlinkSync(at) !== before.target) throw new Moved(step.path);
}

function link(step: Step, before: FileNode, found: BigIntStats): string | null {
  if (!step.hands.can.hardLinks) return null;
  if (found.size > COPY_UP_LIMIT && isOverlay(step)) return null;
  const name = step.hands.stage.ticket(step.path, before.digest);
  try {
    linkSync(step.parent.at(step.name), step.stage.at(name));
    return name;
  } catch (error) {
    dropVictim(step.stage, name);
    // Linux lets nobody link what he may not write (protected_hardlinks); others have too many links, or none.
    if (['EPERM', 'EACCES', 'EMLINK', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) return null;
    throw error;
  }
}

function isOverlay(step: Step): boolean {
  const OVERLAYFS = 0x794c7630; // statfs(2), OVERLAYFS_SUPER_MAGIC
  return statfsSync(step.parent.here).type === OVERLAYFS;
}
