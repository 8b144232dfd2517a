/** Where the agent keeps its socket and log, and what it was started from. */
import { lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface AgentPlace {
  /** 0700, on a file system that no commit takes where there is one. */
  readonly stateDir: string;
  readonly socket: string;
  readonly log: string;
  readonly pid: string;
  /** Abstract socket (Linux): the daemon's lock. */
  readonly lock: string;
  /** The folder of the bundle: Node, agent.cjs, python/. */
  readonly kitDir: string;
  readonly bundle: string;
}

/**
 * One agent a container, whatever brought it in, so every way computes the same folder: the mount namespace tells
 * containers apart even where `--ipc=host` makes them share /dev/shm.
 */
export function agentPlace(bundle: string): AgentPlace {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/mnt'))?.[0] ?? '0';
  const stateDir = ['/dev/shm', '/run', '/tmp'].map((dir) => claim(join(dir, `drydock-${namespace}`))).find(Boolean);
  if (stateDir === undefined || stateDir === null) {
    throw new Error(
      'no folder for the socket: /dev/shm, /run and /tmp are all read-only, or hold a folder of another user',
    );
  }
  return {
    stateDir,
    socket: join(stateDir, 'agent.sock'),
    log: join(stateDir, 'agent.log'),
    pid: join(stateDir, 'agent.pid'),
    lock: `\0drydock-${namespace}`,
    kitDir: dirname(bundle),
    bundle,
  };
}

/** The folder if it is ours or could be made; root may use the one of an agent that runs as the service's user. */
function claim(dir: string): string | null {
  try {
    mkdirSync(dir, { mode: 0o700 });
    return dir;
  } catch {
    try {
      const stat = lstatSync(dir);
      const uid = process.getuid?.() ?? 0;
      return stat.isDirectory() && (stat.uid === uid || uid === 0) ? dir : null;
    } catch {
      return null;
    }
  }
}
