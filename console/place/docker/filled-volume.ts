/**
 * A volume that the engine itself fills, so that a remote one does it too: through a container that mounts it and is
 * never started.
 */
import { hostname } from 'node:os';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Container, MountSettings } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { FilledVolume } from '../place.ts';
import { statusOf } from './errors.ts';

/** `HOST/PID` of the process that fills a volume. */
const FILLER_LABEL = 'io.drydock.filler';
/** Between two looks at somebody else's work, and how long that may take: a slow line to a remote engine. Milliseconds. */
const LOOK_MS = 100;
const PATIENCE_MS = 300_000;

/** What the image has there is hidden, not copied in. */
export function volumeMount({ name, label, path }: FilledVolume, readOnly: boolean): MountSettings {
  return {
    Type: 'volume',
    Source: name,
    Target: path,
    ReadOnly: readOnly,
    VolumeOptions: { NoCopy: true, Labels: { [label]: '' }, DriverConfig: { Name: '', Options: {} } },
  };
}

/**
 * Resolves when the volume is whole. `user` mounts it and has not been started: while it exists nobody removes the volume.
 * Of several that fill it at once one does, and the others wait.
 */
export async function fillVolume(docker: Docker, user: Container, image: string, volume: FilledVolume): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds(user, volume.last))) {
    const filler = await takeTurn(docker, image, volume);
    if (filler === null) {
      if (Date.now() > end) throw stuck(volume);
      await sleep(LOOK_MS);
      continue;
    }
    try {
      // RACE: it may have been filled between the look and the turn.
      if (await holds(user, volume.last)) return;
      await filler.putArchive(Readable.from(volume.tar(), { objectMode: false }), { path: '/' });
    } finally {
      await filler.remove({ v: true, force: true });
    }
    await dropUnused(docker, volume);
  }
}

/** The one container of this name is the turn; null while another process has it. */
async function takeTurn(docker: Docker, image: string, volume: FilledVolume): Promise<Container | null> {
  const name = `${volume.name}-fill`;
  try {
    return await docker.createContainer({
      name,
      Image: image,
      Entrypoint: [],
      Cmd: ['-'],
      Labels: { [FILLER_LABEL]: `${hostname()}/${process.pid}` },
      HostConfig: { Mounts: [volumeMount(volume, false)] },
    });
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
  }
  const other = docker.getContainer(name);
  const [host, pid] = await other.inspect().then(
    ({ Config }) => (Config.Labels[FILLER_LABEL] ?? '').split('/'),
    () => [], // gone meanwhile
  );
  // One that was killed in its turn would keep it for ever.
  if (host === hostname() && !isAlive(Number(pid))) await other.remove({ v: true, force: true }).catch(() => undefined);
  return null;
}

async function holds(container: Container, path: string): Promise<boolean> {
  try {
    await container.infoArchive({ path });
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Those of other builds; what a container uses the engine keeps. */
async function dropUnused(docker: Docker, { name, label }: FilledVolume): Promise<void> {
  const filters = JSON.stringify({ label: [label], dangling: ['true'] });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  for (const volume of volumes) {
    if (volume.Name !== name)
      await docker
        .getVolume(volume.Name)
        .remove()
        .catch(() => undefined);
  }
}

function stuck(volume: FilledVolume): DrydockError {
  return new DrydockError(
    'taken',
    `The volume ${volume.name} has been being filled for ${PATIENCE_MS / 60_000} minutes.`,
    {
      hint: `If nobody does that any more, remove the container: docker rm -f ${volume.name}-fill`,
    },
  );
}
