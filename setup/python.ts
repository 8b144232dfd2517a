/** Python on this machine, for tests of what runs in one. */
import { execa } from 'execa';
import { aptInstall, findProgram, mayInstall } from './engine/install.mjs';

/** The path of an interpreter with pip. Debian's is installed where there is none and we may. */
export async function providePython(env: NodeJS.ProcessEnv): Promise<string> {
  const name = env['DRYDOCK_TEST_PYTHON'] ?? 'python3';
  const look = async (): Promise<string | null> => {
    if (findProgram(name, env) === null && !name.includes('/')) return null;
    const { stdout, failed } = await execa(name, ['-c', 'import sys, pip; print(sys.executable)'], { reject: false });
    return failed ? null : stdout;
  };
  const there = await look();
  if (there !== null) return there;
  if (mayInstall(env)) await aptInstall(['python3', 'python3-pip'], { note: () => undefined, env });
  const installed = await look();
  if (installed !== null) return installed;
  throw new Error(`${name} with pip is needed: install it, or name another in DRYDOCK_TEST_PYTHON`);
}

/** Maven's registry has the Python that Debian's suites are too young for. */
export async function provideMaven(env: NodeJS.ProcessEnv): Promise<void> {
  if (findProgram('mvn', env) !== null) return;
  if (!mayInstall(env)) throw new Error('mvn is needed to fetch an old Python: install Maven');
  await aptInstall(['maven'], { note: () => undefined, env });
}
