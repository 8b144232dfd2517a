/**
 * Two names change places in one step: renameat2(2) with RENAME_EXCHANGE. Whatever stood at a path is in our hands
 * afterwards, whoever put it there and when.
 */
import { loadLibc } from '../native/libc.ts';

/** Both exist, on one file system. Throws as rename does. */
export type Exchange = (one: string, other: string) => void;

/** renameat2's number by architecture (asm/unistd.h): not every C library has a function for it. */
const RENAMEAT2: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 316, arm64: 276 };
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Null where the system has no such call. */
export async function loadExchange(): Promise<Exchange | null> {
  const number = RENAMEAT2[process.arch];
  const libc = await loadLibc();
  if (libc === null || number === undefined) return null;
  const call = libc.of(
    'long syscall(long call, int oneAt, const char *one, int otherAt, const char *other, uint flags)',
  );
  return (one, other) => void call(number, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}
