/**
 * Two names change places in one step: renameat2(2) with RENAME_EXCHANGE, which Node does not offer. Whatever stood at
 * a path is in our hands afterwards, whoever put it there and when.
 */
import { getSystemErrorMap } from 'node:util';

/** Both exist, on one file system. Throws as rename does. */
export type Exchange = (one: string, other: string) => void;

/** renameat2's number by architecture (asm/unistd.h); glibc has a function for it from 2.28 on, musl from 1.2.6 on. */
const RENAMEAT2: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 316, arm64: 276 };
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Null where the system has no such call, or its library for native calls was not installed. */
export async function loadExchange(): Promise<Exchange | null> {
  const number = RENAMEAT2[process.arch];
  if (process.platform !== 'linux' || number === undefined) return null;
  const koffi = await import('koffi').then(
    (loaded) => loaded.default,
    () => null,
  );
  if (koffi === null) return null;
  const signature = 'long syscall(long number, int oneAt, const char *one, int otherAt, const char *other, uint flags)';
  const syscall = koffi.load(null).func(signature) as unknown as (...args: (number | string)[]) => number;
  return (one, other) => {
    if (syscall(number, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) !== 0)
      throw errorOf(koffi.errno(), one, other);
  };
}

function errorOf(errno: number, one: string, other: string): Error {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  return Object.assign(new Error(`${code}: ${text}, exchange '${one}' with '${other}'`), { code, errno: -errno });
}
