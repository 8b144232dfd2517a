/**
 * A Docker Engine for this checkout: the one that the user chose, else one that answers, else our own. Plain JavaScript,
 * so that it can run beside `npm ci`.
 */
import { answering, chosen, ping } from './engine/find.mjs';
import {
  aptInstall,
  consent,
  enginePackages,
  findProgram,
  installedEngine,
  isRoot,
  mayInstall,
} from './engine/install.mjs';
import { privatePlace, startPrivate } from './engine/private.mjs';
import { SetupError } from './run.mjs';

/**
 * @typedef {object} Engine
 * @property {string | null} host for DOCKER_HOST; null leaves the choice to the docker context that the user set
 * @property {boolean} started by this call
 */

/**
 * @param {{ env: NodeJS.ProcessEnv, progress: import('./progress.mjs').Progress, yes?: boolean }} options
 * @returns {Promise<Engine>} rejects with SetupError
 */
export async function ensureEngine({ env, progress, yes = false }) {
  const found = await findEngine(env);
  if (found !== null) return found;
  let dockerd = findProgram('dockerd', env);
  if (dockerd === null) {
    await install(env, progress, yes);
    const system = await answering(env); // its package may have started the system's
    if (system !== null) return { host: system, started: false };
    dockerd = findProgram('dockerd', env);
  }
  if (dockerd === null || !isRoot()) {
    throw new SetupError(
      'No Docker Engine answers, and only root can start one.',
      'Start it (sudo systemctl start docker, or Docker Desktop), or set DOCKER_HOST.',
    );
  }
  const program = dockerd;
  const host = await progress.run('starting a private Docker Engine', () => startPrivate(env, program));
  return { host, started: true };
}

/**
 * Without starting anything.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Engine | null>}
 */
export async function findEngine(env) {
  if (chosen(env)) return { host: env['DOCKER_HOST'] || null, started: false };
  const usual = await answering(env);
  if (usual !== null) return { host: usual, started: false };
  const { socket } = privatePlace(env);
  return (await ping(socket)) === 'yes' ? { host: `unix://${socket}`, started: false } : null;
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {import('./progress.mjs').Progress} progress
 * @param {boolean} yes
 */
async function install(env, progress, yes) {
  const part = findProgram('containerd', env) ?? installedEngine();
  if (part !== null) {
    throw new SetupError(
      `No Docker Engine answers, and ${part} is on this machine already: nothing is installed beside it.`,
      'Complete that installation (apt-get install docker.io), or set DOCKER_HOST to an engine that runs.',
    );
  }
  if (!mayInstall(env)) {
    throw new SetupError(
      'There is no Docker Engine, and it can be installed by itself only as root on Debian or Ubuntu.',
      'Install Docker (https://docs.docker.com/engine/install/) and start it, or set DOCKER_HOST.',
    );
  }
  const client = findProgram('docker', env);
  if (client !== null) progress.note(`  ${client} is a client only: it brings no engine.`);
  const packages = [...enginePackages(), ...(findProgram('mmdebstrap', env) === null ? ['mmdebstrap'] : [])];
  await consent(`No Docker Engine was found. Install ${packages.join(' and ')} with apt-get?`, yes);
  await progress.run(`installing ${packages.join(', ')}`, (note) => aptInstall(packages, { note, env }));
}
