/** The agent's part in the kit's launch.sh: it holds the service before its first start can end the container. */
import { chmodSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hold } from './service/hold.ts';
import { LAUNCH_FOLDER, pickScoring } from './service/runit.ts';

/** Where no commit takes it, where there is such a place. */
const PLACES = ['/dev/shm', '/run', '/tmp'];

/**
 * Holds the service for as long as PID 1 lives. Resolves with the folder in which launch.sh has to keep the command
 * itself; null where the command starts runit, or where no folder can be made.
 */
export async function prepareLaunch(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string | null> {
  const named = argv.slice(argv.findIndex((word) => basename(word) === 'runsvdir') + 1).find((word) => word[0] === '/');
  const isRunit = argv.some((word) => basename(word) === 'runsvdir');
  const services = (isRunit ? named : undefined) ?? env['SVDIR'] ?? '/var/runit';
  const scoring = pickScoring(serviceFolders(services));
  if (scoring !== null) await keep(scoring);
  if (isRunit) return null;
  const folder = makeFolder();
  if (folder !== null) await keep(folder);
  return folder;
}

async function keep(folder: string): Promise<void> {
  const state = await hold(folder, 1);
  if (!state.held) process.stderr.write(`drydock: the end of the service would end the container: ${state.reason}\n`);
}

function serviceFolders(services: string): string[] {
  try {
    return readdirSync(services).map((name) => join(services, name));
  } catch {
    return [];
  }
}

/** Its own `finish` ends the container, as the end of PID 1 does. */
function makeFolder(): string | null {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/mnt'))?.[0] ?? '0';
  for (const place of PLACES) {
    const folder = join(place, LAUNCH_FOLDER + namespace);
    try {
      rmSync(folder, { recursive: true, force: true }); // of the container's life before this one
      mkdirSync(join(folder, 'supervise'), { recursive: true, mode: 0o700 });
      const finish = join(folder, 'finish');
      writeFileSync(finish, '#!/bin/sh\nexit 1\n');
      chmodSync(finish, 0o755);
      return folder;
    } catch {
      continue;
    }
  }
  return null;
}
