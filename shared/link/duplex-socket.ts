/**
 * `ws` and `http` expect a net.Socket; a hijacked exec stream and a Unix socket's pipe are plain Duplexes. These are the
 * members of Socket that they call and that mean nothing on a pipe.
 */
import type { Duplex } from 'node:stream';

export function asSocket(duplex: Duplex): Duplex {
  const quiet = () => duplex;
  for (const name of ['setTimeout', 'setNoDelay', 'setKeepAlive', 'ref', 'unref']) {
    if (!(name in duplex)) Object.defineProperty(duplex, name, { value: quiet });
  }
  return duplex;
}
