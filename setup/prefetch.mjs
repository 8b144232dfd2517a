/** Debian's root file system for the base image, made beside `npm ci`, where the build will want it. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MMDEBSTRAP } from '../console/images/debian.mjs';
import { findProgram, isRoot } from './engine/install.mjs';

/** Images with which nothing needs to be made: our base, and the registry's that it is built from. */
const ENOUGH = ['drydock-base:bookworm-1', 'python:3.11-slim'];

/** @param {NodeJS.ProcessEnv} env */
function rootfsFile(env) {
  const recipe = createHash('sha256').update(MMDEBSTRAP.join('\0')).digest('hex').slice(0, 12);
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'drydock', `debian-12-${recipe}.tar`);
}

/**
 * Never fails: what is not there yet is made when it is needed.
 * @param {{ env: NodeJS.ProcessEnv, host: string | null, progress: import('./progress.mjs').Progress }} options
 */
export async function prefetchRootfs({ env, host, progress }) {
  const socket = host?.startsWith('unix://') === true ? host.slice('unix://'.length) : null;
  const program = findProgram('mmdebstrap', env);
  if (socket === null || program === null || !isRoot()) return;
  for (const image of ENOUGH) {
    if ((await ask(socket, 'GET', `/images/${image}/json`)) === 200) return rm(rootfsFile(env), { force: true });
  }
  if ((await has(rootfsFile(env))) || (await pullable(socket))) return;
  await progress
    .run('making Debian 12 for the base image (mmdebstrap)', (note) => make(program, rootfsFile(env), note))
    .catch(() => undefined);
}

/**
 * The tar that was made, once: it goes with its use.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<AsyncIterable<Uint8Array> | null>}
 */
export async function takeRootfs(env) {
  const file = rootfsFile(env);
  if (!(await has(file))) return null;
  return (async function* () {
    yield* createReadStream(file, { highWaterMark: 1024 * 1024 });
    await rm(file, { force: true });
  })();
}

/** @param {string} program @param {string} file @param {(text: string) => void} note */
async function make(program, file, note) {
  await mkdir(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}`;
  const child = spawn(program, MMDEBSTRAP, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stderr.on('data', (/** @type {Buffer} */ data) => note(data.toString()));
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(undefined) : reject(new Error(`mmdebstrap ended with ${code}`)),
    );
  });
  try {
    await Promise.all([pipeline(child.stdout, createWriteStream(partial)), ended]);
    await rename(partial, file);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Whether a registry has the image; it is pulled when the answer is yes. @param {string} socket */
async function pullable(socket) {
  const status = await ask(socket, 'POST', '/images/create?fromImage=python&tag=3.11-slim');
  return status === 200 && (await ask(socket, 'GET', '/images/python:3.11-slim/json')) === 200;
}

/** @param {string} socketPath @param {'GET' | 'POST'} method @param {string} path @returns {Promise<number>} 0 without an answer */
function ask(socketPath, method, path) {
  return new Promise((resolve) => {
    const asked = request({ socketPath, method, path }, (response) => {
      response.resume();
      response.once('close', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', () => resolve(0));
    asked.end();
  });
}

/** @param {string} path */
function has(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}
