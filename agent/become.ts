/**
 * The verb by which launch.sh starts the image's command: becomes it, with signals as a new container's first process has
 * them, whatever a shell did to its background processes.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseEnviron } from './service/procfs.ts';

/** Exit codes of a shell: there is no such command, or it may not be executed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** What launch.sh takes away for our own Node. */
const TAKEN = ['NODE_OPTIONS', 'LD_PRELOAD', 'LD_LIBRARY_PATH', 'NODE_EXTRA_CA_CERTS'];

/** Does not return where the command can be executed. */
export function become(argv: readonly string[], environ: NodeJS.ProcessEnv): void {
  const [name = '', ...args] = argv;
  const file = find(name, environ['PATH'] ?? '');
  if (typeof file === 'number') {
    process.stderr.write(`${name}: ${file === NOT_FOUND ? 'command not found' : 'not executable'}\n`);
    process.exitCode = file;
    return;
  }
  // PID 1 still has what the engine gave it.
  const given = parseEnviron(readFileSync('/proc/1/environ', 'utf8'));
  const kept = Object.entries(environ).filter(([key]) => !TAKEN.includes(key));
  const own = Object.entries(given).filter(([key]) => TAKEN.includes(key));
  // Node gives every signal its default but these, and what is ignored stays so in a new program; what is caught does not.
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => undefined);
  if (process.execve === undefined) throw new Error('this Node has no execve');
  process.removeAllListeners('warning'); // that it is experimental
  process.execve(file, [name, ...args], Object.fromEntries([...kept, ...own]));
}

function find(name: string, path: string): string | number {
  const places = name.includes('/') ? [name] : path.split(delimiter).map((folder) => join(folder, name));
  const there = places.filter((place) => statSync(place, { throwIfNoEntry: false })?.isFile() === true);
  return there.find(isExecutable) ?? (there.length === 0 ? NOT_FOUND : NOT_EXECUTABLE);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
