/** Programs of Debian's packages of the same name, for tests: installed where they are missing and we may. */
import { aptInstall, findProgram, mayInstall } from './engine/install.mjs';

export async function providePrograms(names: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const missing = names.filter((name) => findProgram(name, env) === null);
  if (missing.length > 0 && mayInstall(env)) await aptInstall(missing, { note: () => undefined, env });
}
