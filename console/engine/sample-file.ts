/** A file of the user's that looks like a request, for where nobody has said what to send. */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outgoing } from '../../shared/core/requests.ts';

const NAMES = ['sample-request.json', 'sample_request.json', 'sample.json', 'sample-input.json'];
/** Bytes; what is larger is no sample. */
const MAX_SAMPLE = 1024 * 1024;

/** Its name, in that folder itself; null where there is none. A link may have been made in the container, and is none. */
export async function findSample(dir: string): Promise<string | null> {
  for (const name of NAMES) {
    const found = await lstat(join(dir, name)).catch(() => null);
    if (found?.isFile() === true && found.size <= MAX_SAMPLE) return name;
  }
  return null;
}

export async function readSample(file: string, path: string): Promise<Outgoing> {
  const body = (await readFile(file)).toString('base64');
  return { method: 'POST', path, query: '', headers: { 'content-type': 'application/json' }, body };
}
