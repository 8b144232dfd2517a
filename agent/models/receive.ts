/** A model as a tar stream, unpacked. */
import { createWriteStream } from 'node:fs';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { DrydockError } from '../../shared/core/errors.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Unpacks files and folders into `folder` for `owner`, readable to all. Resolves with the files' bytes. Throws for a
 * name that leads out of the folder, and for anything but one entry at its top: azureml-core takes no second.
 */
export async function receiveModel(tar: Readable, folder: string, owner: Owner | null): Promise<number> {
  const entries = extract();
  const arrived = pipeline(tar, entries);
  arrived.catch(() => undefined); // thrown by the loop, or below
  let bytes = 0;
  let top: string | null = null;
  for await (const entry of entries) {
    const { name, type, mode } = entry.header;
    const parts = name.replace(/\/$/, '').split('/');
    top ??= parts[0] ?? '';
    if (parts[0] !== top || parts.some((part) => part === '' || part === '.' || part === '..')) throw refused(name);
    const path = join(folder, ...parts);
    if (type === 'directory') {
      await mkdir(path);
      entry.resume();
    } else if (type === 'file') {
      await pipeline(entry, createWriteStream(path, { flags: 'wx' }));
      bytes += entry.header.size;
    } else {
      throw refused(name);
    }
    await chmod(path, type === 'file' && (mode & 0o111) === 0 ? 0o644 : 0o755); // whatever the umask says
    if (owner !== null) await chown(path, owner.uid, owner.gid);
  }
  await arrived;
  if (top === null) throw new DrydockError('protocol-violation', 'A model without a file.');
  return bytes;
}

const refused = (name: string): DrydockError =>
  new DrydockError('protocol-violation', `${name} has no place in a model.`);
