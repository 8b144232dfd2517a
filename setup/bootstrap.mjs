/**
 * What `npm run demo`, `npm test`, `npm run prove`, `npm run bench` and `npm run -s drydock -- …` start with, in a bare
 * clone too: plain JavaScript for any Node from 20 on, without a dependency. Brings packages, build and engine up to
 * date, then hands over to the project's own Node.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ensureEngine, findEngine } from './engine.mjs';
import { stopPrivate } from './engine/private.mjs';
import { prefetchRootfs } from './prefetch.mjs';
import { createProgress } from './progress.mjs';
import { run, SetupError } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node');
/** Written by a build when all of it went well. */
const STAMP = join(ROOT, 'dist', '.built');
const SOURCES = ['agent', 'console', 'shared', 'setup', 'package-lock.json', 'LICENSE'];

const progress = createProgress(process.stderr);
const [verb = '', ...args] = process.argv.slice(2);

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`drydock: ${error.message}\n  ${error.hint}\n`);
  process.exitCode = 3;
}

async function main() {
  const yes = args.includes('--yes');
  switch (verb) {
    case 'install':
      await ready(yes);
      return 0;
    case 'demo':
      return inProject('setup/demo.ts', args, await ready(yes));
    case 'test':
      return inProject('setup/test.ts', args, await ready(yes));
    case 'bench':
      return inProject('bench/main.ts', args, await ready(yes));
    case 'prove':
      if (args[0] === 'kills' || args[0] === 'blackbox') return inProject('test/prove.ts', args, await ready(yes));
      await upToDate();
      return handOver(NODE, [join(ROOT, 'test/prove.ts'), ...args], process.env);
    case 'drydock':
      return drydock();
    case 'engine-stop':
      process.stderr.write((await stopPrivate(process.env)) ? 'The private engine has ended.\n' : 'None runs.\n');
      return 0;
    default:
      throw new SetupError(
        `There is no “${verb}” to start.`,
        'npm run demo | test | prove | bench | drydock | engine:stop',
      );
  }
}

/** Packages, engine and base image beside each other; the build after the packages. @param {boolean} yes */
async function ready(yes) {
  const engine = ensureEngine({ env: process.env, progress, yes });
  const base = engine.then(({ host }) => prefetchRootfs({ env: process.env, host, progress }));
  await Promise.all([upToDate(), base]);
  return engine;
}

async function upToDate() {
  if (olderThanLock()) {
    await progress.run('installing packages (npm ci)', (note) =>
      run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund'], {
        note,
        cwd: ROOT,
        hint: 'npm’s own lines above say why; mend that and start again.',
      }),
    );
  }
  if (sourcesAreNewer()) {
    await progress.run('building', (note) =>
      run(NODE, ['setup/build.ts'], { note, cwd: ROOT, hint: 'The lines above are the bundler’s.' }),
    );
  }
}

/** npm writes its own copy of the lock file when an installation is complete. */
function olderThanLock() {
  return modified(join(ROOT, 'node_modules', '.package-lock.json')) < modified(join(ROOT, 'package-lock.json'));
}

function sourcesAreNewer() {
  const built = modified(STAMP);
  /** @param {string} path @returns {boolean} */
  const newer = (path) => {
    const stat = statSync(path);
    if (stat.mtimeMs > built) return true;
    // A folder's own time tells of files that came and went.
    return stat.isDirectory() && readdirSync(path).some((name) => name !== '__pycache__' && newer(join(path, name)));
  };
  return SOURCES.some((name) => newer(join(ROOT, name)));
}

/** @param {string} path @returns {number} milliseconds; 0 when it is not there */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * @param {string} script @param {readonly string[]} rest
 * @param {import('./engine.mjs').Engine} engine
 * @returns {Promise<number>}
 */
function inProject(script, rest, { host }) {
  const env = host === null ? process.env : { ...process.env, DOCKER_HOST: host };
  return handOver(NODE, [join(ROOT, script), ...rest], env);
}

/** The console, in this process where it can be: a second Node costs 40 ms. */
async function drydock() {
  await upToDate();
  const offline = args.some((arg) => ['--help', '-h', '--version', '-V', 'kit'].includes(arg));
  const engine = offline
    ? await findEngine(process.env).catch(() => null)
    : await ensureEngine({ env: process.env, progress });
  if (typeof engine?.host === 'string') process.env['DOCKER_HOST'] = engine.host;
  const program = join(ROOT, 'dist', 'drydock.js');
  if (!process.execPath.startsWith(join(ROOT, 'node_modules') + sep)) {
    return handOver(NODE, [program, ...args], process.env);
  }
  process.argv = [process.execPath, program, ...args];
  await import(program);
  return process.exitCode;
}

/**
 * Signals of the terminal reach the child by themselves: we only wait for it.
 * @param {string} file @param {readonly string[]} rest @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>}
 */
function handOver(file, rest, env) {
  const child = spawn(file, rest, { stdio: 'inherit', env });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
