/** Debian's packages: the engine, where nothing of its kind is on the machine, and mmdebstrap. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { run, SetupError } from '../run.mjs';

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** PATH with the system's folders: `dockerd` lies in one that an ordinary PATH may lack.
 * @param {NodeJS.ProcessEnv} env */
export function searchPath(env) {
  return [...new Set([...(env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATH])].join(delimiter);
}

/** @param {string} name @param {NodeJS.ProcessEnv} env @returns {string | null} */
export function findProgram(name, env) {
  for (const dir of searchPath(env).split(delimiter).filter(Boolean)) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // not in this one
    }
  }
  return null;
}

export function isRoot() {
  return process.getuid?.() === 0;
}

/** True on Debian, Ubuntu and their kin, as root. @param {NodeJS.ProcessEnv} env */
export function mayInstall(env) {
  return isRoot() && findProgram('apt-get', env) !== null && findProgram('dpkg', env) !== null;
}

/**
 * Packages that hold an engine or its parts. A lone docker client is none.
 * @returns {string | null} the first that dpkg knows as installed
 */
export function installedEngine() {
  const packages = ['docker.io', 'docker-ce', 'docker-engine', 'moby-engine', 'containerd', 'containerd.io'];
  try {
    const known = readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n');
    const installed = new Set(
      known
        .filter((entry) => /^Status: .* installed$/m.test(entry))
        .map((entry) => /^Package: (.*)$/m.exec(entry)?.[1]),
    );
    return packages.find((name) => installed.has(name)) ?? null;
  } catch {
    return null;
  }
}

/**
 * @param {readonly string[]} packages
 * @param {{ note: (text: string) => void, env: NodeJS.ProcessEnv }} options
 */
export async function aptInstall(packages, { note, env }) {
  const hint = `Check the mirrors of apt and install by hand: apt-get install ${packages.join(' ')}`;
  const options = { note, hint, env: { ...env, DEBIAN_FRONTEND: 'noninteractive', PATH: searchPath(env) } };
  await run('apt-get', ['update', '-q'], options);
  await run('apt-get', ['install', '-q', '-y', '--no-remove', '--no-install-recommends', ...packages], options);
}

/** What the engine needs on this machine: where the kernel has AppArmor on, dockerd wants its parser. */
export function enginePackages() {
  try {
    const on = readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
    return on ? ['docker.io', 'apparmor'] : ['docker.io'];
  } catch {
    return ['docker.io'];
  }
}

/**
 * Asks on a terminal; elsewhere the answer is yes, as the README says.
 * @param {string} question
 * @param {boolean} yes given on the command line
 */
export async function consent(question, yes) {
  if (yes || !process.stdin.isTTY || !process.stderr.isTTY) return;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = (await lines.question(`${question} [Y/n] `)).trim().toLowerCase();
  lines.close();
  if (answer !== '' && answer !== 'y' && answer !== 'yes') {
    throw new SetupError('Nothing was installed.', 'Set DOCKER_HOST to an engine that runs, and start again.');
  }
}
