/** Calls of the C library that Node does not offer. */
import { getSystemErrorMap } from 'node:util';

/** Returns what the function returns. Throws as `node:fs` does when that is below zero. */
export type NativeCall = (...args: (number | bigint | string)[]) => number;

export interface Libc {
  /** The function of a prototype: `int sync(void)`. Throws when the library has none of that name. */
  of(prototype: string): NativeCall;
  /** The same, called off the event loop. Rejects where the function returns less than zero. */
  later(prototype: string): (...args: (number | bigint | string)[]) => Promise<void>;
}

let loading: Promise<Libc | null> | null = null;

/** Null where there is none to be had: not Linux, or koffi was not installed. */
export function loadLibc(): Promise<Libc | null> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Libc | null> {
  if (process.platform !== 'linux') return null;
  const koffi = await import('koffi').then(
    (loaded) => loaded.default,
    () => null,
  );
  if (koffi === null) return null;
  const library = koffi.load(null);
  return {
    of: (prototype) => {
      const call = library.func(prototype) as unknown as NativeCall;
      return (...args) => {
        const result = call(...args);
        if (result < 0) throw errorOf(koffi.errno(), args);
        return result;
      };
    },
    later: (prototype) => {
      const call = library.func(prototype) as unknown as { readonly async: (...args: unknown[]) => void };
      return (...args) =>
        new Promise((resolve, reject) => {
          call.async(...args, (error: unknown, result: number) => {
            // errno is the calling thread's: what went wrong is not known here.
            if (error !== null || result < 0) reject(new Error(`${prototype}: failed`, { cause: error }));
            else resolve();
          });
        });
    },
  };
}

function errorOf(errno: number, args: readonly unknown[]): Error {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  const names = args.filter((arg) => typeof arg === 'string').map((name) => `'${name}'`);
  return Object.assign(new Error([`${code}: ${text}`, ...names].join(', ')), { code, errno: -errno });
}
