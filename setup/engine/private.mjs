/** A Docker Engine of our own: its socket, data and pid file lie in the user's cache folder. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { run, SetupError } from '../run.mjs';
import { ping } from './find.mjs';
import { findProgram, searchPath } from './install.mjs';

/** Milliseconds between two looks at a process of which nobody tells us. */
const POLL_MS = 50;
const BRIDGE = { name: 'drydock0', address: '172.31.251.1/24' };

/** @param {NodeJS.ProcessEnv} env */
export function privatePlace(env) {
  const dir = join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'drydock', 'engine');
  return {
    dir,
    socket: join(dir, 'docker.sock'),
    pidFile: join(dir, 'dockerd.pid'),
    log: join(dir, 'dockerd.log'),
  };
}

/**
 * The pid of our engine, if it lives: a pid file alone proves nothing, so the process must have been started with it.
 * @param {NodeJS.ProcessEnv} env
 * @returns {number | null}
 */
function privatePid(env) {
  const { pidFile } = privatePlace(env);
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(pidFile) ? pid : null;
  } catch {
    return null;
  }
}

/**
 * Starts it, or waits for one that another call is starting. It outlives us.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} dockerd
 * @returns {Promise<string>} its address
 */
export async function startPrivate(env, dockerd) {
  const { dir, socket, pidFile, log } = privatePlace(env);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const args = ['--host', `unix://${socket}`, '--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')];
  const output = openSync(log, 'w', 0o600);
  const child = spawn(dockerd, [...args, '--pidfile', pidFile, ...(await bridge(env))], {
    detached: true,
    stdio: ['ignore', output, output],
    env: { ...env, PATH: searchPath(env) },
  });
  closeSync(output);
  child.on('error', () => undefined); // seen as its end
  child.unref();
  while ((await ping(socket)) !== 'yes') {
    if (ended(child) && privatePid(env) === null) {
      throw new SetupError(
        `The Docker Engine does not start: ${lastLines(log)}`,
        `Its log is ${log}. In a container it needs --privileged; or set DOCKER_HOST to an engine that runs.`,
      );
    }
    await wait(POLL_MS);
  }
  return `unix://${socket}`;
}

/** @param {import('node:child_process').ChildProcess} child */
function ended(child) {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/**
 * Two engines must not share docker0: each would hand out the same addresses. Beside a living one ours gets a bridge.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<readonly string[]>}
 */
async function bridge(env) {
  if (!othersRun()) return [];
  const ip = findProgram('ip', env);
  if (ip === null) {
    throw new SetupError(
      'Another dockerd runs, and `ip` is not there to make a second network bridge.',
      'Set DOCKER_HOST to that engine’s socket, or apt-get install iproute2.',
    );
  }
  if (!existsSync(`/sys/class/net/${BRIDGE.name}`)) {
    const hint = 'Set DOCKER_HOST to the engine that already runs.';
    await run(ip, ['link', 'add', BRIDGE.name, 'type', 'bridge'], { hint });
    await run(ip, ['address', 'add', BRIDGE.address, 'dev', BRIDGE.name], { hint });
    await run(ip, ['link', 'set', BRIDGE.name, 'up'], { hint });
  }
  return ['--bridge', BRIDGE.name];
}

function othersRun() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd';
      } catch {
        return false; // it ended meanwhile
      }
    });
}

/**
 * Ends our engine and the containers on it; false when none runs.
 * @param {NodeJS.ProcessEnv} env
 */
export async function stopPrivate(env) {
  const pid = privatePid(env);
  if (pid === null) return false;
  process.kill(pid, 'SIGTERM');
  while (privatePid(env) === pid) await wait(POLL_MS);
  return true;
}

/** @param {string} log */
function lastLines(log) {
  const lines = readFileSync(log, 'utf8').trim().split('\n').slice(-3);
  return lines.join('\n') || 'it said nothing';
}
