/** Is there a Docker Engine already? Looks only; starts nothing. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from '../run.mjs';

/**
 * True when the user has chosen an engine: DOCKER_HOST, DOCKER_CONTEXT, or another context than the default one. What
 * they chose is used as it is, answering or not.
 * @param {NodeJS.ProcessEnv} env
 */
export function chosen(env) {
  if (env['DOCKER_HOST'] || env['DOCKER_CONTEXT']) return true;
  try {
    const config = readFileSync(join(env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json'), 'utf8');
    const context = JSON.parse(config).currentContext;
    return typeof context === 'string' && context !== '' && context !== 'default';
  } catch {
    return false; // no configuration, or none that docker would read either
  }
}

/**
 * The first of the usual sockets that answers.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string | null>} rejects with SetupError when one answers, but not to this user
 */
export async function answering(env) {
  const runtime = env['XDG_RUNTIME_DIR'];
  const sockets = [
    '/var/run/docker.sock',
    join(homedir(), '.docker', 'run', 'docker.sock'),
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
  ];
  for (const socket of sockets) {
    const answer = await ping(socket);
    if (answer === 'yes') return `unix://${socket}`;
    if (answer === 'forbidden') {
      throw new SetupError(
        `You may not use the Docker Engine at ${socket}.`,
        'Add yourself to its group (sudo usermod -aG docker $USER) and log in again, or set DOCKER_HOST to one that you may use.',
      );
    }
  }
  return null;
}

/**
 * @param {string} socket
 * @returns {Promise<'yes' | 'no' | 'forbidden'>}
 */
export function ping(socket) {
  return new Promise((resolve) => {
    const asked = request({ socketPath: socket, path: '/_ping', timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? 'yes' : 'no');
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', (error) => resolve('code' in error && error.code === 'EACCES' ? 'forbidden' : 'no'));
    asked.end();
  });
}
