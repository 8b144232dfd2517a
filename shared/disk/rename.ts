/** renameat2(2): what rename(2) cannot say. */
import { loadLibc } from '../native/libc.ts';

/**
 * Two names change places in one step. Whatever stood at a path is in our hands afterwards, whoever put it there and when.
 * Both exist, on one file system. Throws as rename does.
 */
export type Exchange = (one: string, other: string) => void;

/** A name moves to where nothing stands, in one step. Throws EEXIST where something does, else as rename does. */
export type MoveToFree = (from: string, to: string) => void;

export interface Renames {
  readonly exchange: Exchange;
  readonly moveToFree: MoveToFree;
}

/** renameat2's number by architecture (asm/unistd.h): not every C library has a function for it. */
const RENAMEAT2: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 316, arm64: 276 };
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

/** Null where the system has no such call. */
export async function loadRenames(): Promise<Renames | null> {
  const number = RENAMEAT2[process.arch];
  const libc = await loadLibc();
  if (libc === null || number === undefined) return null;
  const call = libc.of('long syscall(long call, int fromAt, const char *from, int toAt, const char *to, uint flags)');
  return {
    exchange: (one, other) => void call(number, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE),
    moveToFree: (from, to) => void call(number, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE),
  };
}
