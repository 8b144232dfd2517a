/** The life of the daemon: serve it, start it if none runs, bridge an exec's stdio to it. */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { leanProcess } from './lean.ts';
import type { AgentPlace } from './place.ts';

export const READY = 'ready';

/** Resolves with a connection, or null when no daemon listens. */
export function dial(place: AgentPlace): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: place.socket });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else reject(error);
    });
  });
}

/**
 * Starts a daemon that outlives this exec and resolves once it listens: the child closes its end of the pipe then, or
 * dies with its reason in the log.
 */
export async function startDaemon(place: AgentPlace, argv: readonly string[]): Promise<void> {
  const log = openSync(place.log, 'a', 0o600);
  try {
    const { args, env } = leanProcess(place, ['serve', '--ready-fd', '3', ...argv]);
    const child = spawn(process.execPath, args, {
      detached: true,
      env,
      cwd: '/',
      stdio: ['ignore', log, log, 'pipe'],
    });
    child.unref();
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new Error('no pipe to the daemon');
    const word = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.once('error', reject);
      ready.on('data', (data: Buffer) => (text += data.toString()));
      ready.once('end', () => resolve(text));
    });
    if (word !== READY) throw new Error(`the daemon ended at once; its log is ${place.log}`);
  } finally {
    closeSync(log);
  }
}

/** Ends the daemon, whatever its build: its pid and the end of its lock are all that versions share. */
export async function stopDaemon(place: AgentPlace): Promise<void> {
  const pid = readPid(place);
  if (pid === null) return;
  const gone = holder(place, 'gone');
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    return; // it ended before
  }
  await gone;
}

function readPid(place: AgentPlace): number | null {
  try {
    const pid = Number(readFileSync(place.pid, 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** Copies stdin to the daemon and its answers to stdout; ends when either does. */
export async function bridge(socket: Socket): Promise<void> {
  // Both directions by pipe: back pressure holds. stdin's EOF is the only sign that the console went away.
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  process.stdin.once('end', () => socket.destroy());
  process.stdin.once('error', () => socket.destroy());
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/**
 * The right to be the daemon: an abstract socket, which the kernel frees with its process, so no lock is ever stale.
 * Whoever connects to it is told once the daemon is ready, and sees the end of the stream when it is gone.
 */
export interface Lock {
  announceReady(): void;
}

/** The lock, or null when a daemon holds it. */
export function takeLock(place: AgentPlace): Promise<Lock | null> {
  let ready = false;
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('close', () => waiting.delete(socket));
    socket.resume();
    waiting.add(socket);
    if (ready) socket.write(READY);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen({ path: place.lock }, () =>
      resolve({
        announceReady: () => {
          ready = true;
          for (const socket of waiting) socket.write(READY);
        },
      }),
    );
  });
}

/** Waits on the daemon that holds the lock: for it to be ready, or to be gone. */
export function holder(place: AgentPlace, until: 'ready' | 'gone'): Promise<'ready' | 'gone'> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: place.lock });
    if (until === 'ready') {
      socket.once('data', () => {
        resolve('ready');
        socket.destroy();
      });
    } else socket.resume();
    socket.once('error', () => undefined);
    socket.once('close', () => resolve('gone'));
  });
}

/** Takes over a socket file that nobody listens on: the lock is ours. */
export function clearStale(place: AgentPlace): void {
  rmSync(place.socket, { force: true });
}

/** The socket is for our own user alone, and `stop` finds us. */
export function restrict(place: AgentPlace): void {
  writeFileSync(place.pid, String(process.pid), { mode: 0o600 });
  chmodSync(place.socket, 0o600);
}
