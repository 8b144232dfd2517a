/**
 * Puts a new version of a model into Azure's layout, `azureml-models/NAME/VERSION/ENTRY`, and makes it serve; a version
 * on which the service's code does not boot is taken away again.
 *
 * Whatever lies in those folders counts for azureml-core, which takes the highest number and no second entry. So a
 * version is unpacked beside them and renamed into place whole.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { DrydockError } from '../../shared/core/errors.ts';
import type { StreamLast } from '../../shared/core/protocol.ts';
import type { ReloadResult } from '../../shared/core/service.ts';
import { OWN_FOLDER } from '../../shared/disk/path.ts';
import { nextVersion } from './look.ts';
import { receiveModel, type Owner } from './receive.ts';

export interface PutOptions {
  /** `azureml-models` */
  readonly folder: string;
  readonly name: string;
  /** Of the service's user: whose the version is where no other one shows whose it should be. */
  readonly owner: Owner;
  readonly tar: Readable;
  readonly reload: () => Promise<ReloadResult>;
}

export async function putModel({ folder, name, owner, tar, reload }: PutOptions): Promise<StreamLast<'model'>> {
  const own = join(dirname(folder), OWN_FOLDER);
  const stage = join(own, `model-${randomBytes(6).toString('hex')}`);
  try {
    const whose = process.geteuid?.() === 0 ? await ownerOf([join(folder, name), folder], owner) : null;
    await mkdir(stage, { recursive: true, mode: 0o700 });
    const fresh = join(stage, 'fresh');
    await makeFolder(fresh, whose);
    const bytes = await receiveModel(tar, fresh, whose);
    const placed = await place(fresh, stage, folder, name, whose);
    const result = await reload();
    const { version, path } = placed;
    if (result.ok) return { version, path, bytes, reload: result };
    await takeAway(placed, join(stage, 'rejected'));
    // The switch was tried: what serves now, if anything, has this version in it.
    if (result.stage === 'switch' || result.stage === 'answer') await reload();
    return { version: null, path: null, bytes, reload: result };
  } catch (cause) {
    throw cause instanceof DrydockError ? cause : unusable(cause, folder);
  } finally {
    await rm(stage, { recursive: true, force: true });
    await rmdir(own).catch(() => undefined); // others may be staging in it
  }
}

interface Placed {
  readonly version: number;
  readonly path: string;
  /** The outermost folder that was not there before: the version's own, or one above it. */
  readonly top: string;
}

/** Renames what is fresh to the next version; the folders that are missing above it appear with it. */
async function place(fresh: string, stage: string, folder: string, name: string, owner: Owner | null): Promise<Placed> {
  // RACE: two puts of one model at once may choose one number; the second's rename fails, since no version is empty.
  const version = nextVersion(join(folder, name));
  const path = join(folder, name, String(version));
  let from = fresh;
  let to = path;
  while (!existsSync(dirname(to))) {
    const above = join(stage, `above-${dirname(to).length}`);
    await makeFolder(above, owner);
    await rename(from, join(above, to.slice(dirname(to).length + 1)));
    [from, to] = [above, dirname(to)];
  }
  await rename(from, to);
  return { version, path, top: to };
}

/** The version leaves in one rename, and after it the folders that came with it, unless something else has come there. */
async function takeAway({ path, top }: Placed, to: string): Promise<void> {
  await rename(path, to);
  for (let above = path; above !== top;) {
    above = dirname(above);
    await rmdir(above).catch(() => undefined);
  }
}

async function makeFolder(path: string, owner: Owner | null): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755); // whatever the umask says
  if (owner !== null) await chown(path, owner.uid, owner.gid);
}

async function ownerOf(folders: readonly string[], owner: Owner): Promise<Owner> {
  for (const folder of folders) {
    const found = await stat(folder).catch(() => null);
    if (found !== null) return found;
  }
  return owner;
}

function unusable(cause: unknown, folder: string): DrydockError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const message = `The model cannot be put into ${folder}: ${cause instanceof Error ? cause.message : String(cause)}.`;
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: 'The container’s disk is full: remove versions that are no longer needed.',
    EACCES: 'Drydock’s agent may not write there: run the container with root’s usual capabilities.',
    EROFS: 'It is read-only: put the version where it is mounted from.',
    EXDEV: 'It lies on a mount of its own: put the version where it is mounted from.',
    ERR_STREAM_PREMATURE_CLOSE: 'The link broke while the model was on its way; nothing was changed. Put it again.',
  };
  return new DrydockError('io', message, { hint: hints[code] ?? 'Nothing was changed.', cause });
}
