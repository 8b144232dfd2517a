/** Whose a container of the tests is, so that what a killed run left is told from what another process needs now. */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { execa } from 'execa';

const LABEL = 'drydock.test.process';

/** `HOST/PID` of this process, for every container that it makes. */
export const OWNER = { [LABEL]: `${hostname()}/${process.pid}` } as const;

/** As words of `docker run` and `docker create`. */
export const OWNER_ARGS = Object.entries(OWNER).flatMap(([key, value]) => ['--label', `${key}=${value}`]);

/** Removes the containers of processes of this machine that are no more. */
export async function sweep(): Promise<void> {
  const format = `{{.ID}} {{.Label "${LABEL}"}}`;
  const { stdout } = await execa('docker', ['ps', '-a', '--filter', `label=${LABEL}`, '--format', format]);
  const left = stdout.split('\n').flatMap((line) => {
    const [id = '', owner = ''] = line.split(' ');
    const [host, pid] = owner.split('/');
    return host === hostname() && !existsSync(`/proc/${pid}`) ? [id] : [];
  });
  if (left.length > 0) await execa('docker', ['rm', '-f', '-v', ...left], { reject: false });
}

/** Before and after all tests of a project. */
export const setup = sweep;
export const teardown = sweep;
