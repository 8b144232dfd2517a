/**
 * Keeps an abnormal exit of the service from killing the container.
 *
 * Azure's `finish` scripts kill runsvdir, and with it the container, when gunicorn ends abnormally. While Drydock is
 * attached another script stands in its place, which tells runsv to leave the service down. It works only while its
 * holder lives, the agent or, in a container that Drydock made, PID 1: otherwise, after `docker restart` too, it becomes
 * the original, which lies beside it under another name (renamed, so that content, mode, owner and times are what they
 * were when it comes back).
 */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processOf } from './procfs.ts';

const ORIGINAL = 'finish.drydock-original';
const MARK = '# Put here by Drydock while it is attached; finish.drydock-original comes back when it leaves.';

export type HoldState = { readonly held: true } | { readonly held: false; readonly reason: string };

function script(pid: number, startTicks: number): string {
  return `#!/bin/sh
${MARK}
holder_lives() {
  read -r stat 2>/dev/null </proc/${pid}/stat || return 1
  set -- \${stat##*) }
  [ "\${20}" = ${startTicks} ]
}
if holder_lives; then
  [ "$1" = 0 ] && exit 0
  echo "drydock: the scoring service ended (exit code $1, status $2) and is held; a good reload starts it again" >&2
  echo d >supervise/control
  exit 0
fi
[ -x ./${ORIGINAL} ] && exec ./${ORIGINAL} "$@"
exit 0
`;
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;

const isOurs = async (path: string): Promise<boolean> =>
  (await readFile(path, 'utf8').catch(() => '')).split('\n', 2)[1] === MARK;

/** Puts the script in place; `pid` is the process that must live for it to hold. */
export async function hold(folder: string, pid: number): Promise<HoldState> {
  const holder = processOf(pid);
  if (holder === null) return { held: false, reason: `/proc does not show process ${pid}` };
  const finish = join(folder, 'finish');
  const original = join(folder, ORIGINAL);
  const fresh = join(folder, `.finish.drydock-${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(fresh, script(holder.pid, holder.startTicks), { flag: 'wx' });
    await chmod(fresh, 0o755);
    // RACE: between the two renames there is no finish script; runsv then starts the service again, which is harmless.
    if ((await exists(finish)) && !(await isOurs(finish))) await rename(finish, original);
    await rename(fresh, finish);
    return { held: true };
  } catch (error) {
    await unlink(fresh).catch(() => undefined);
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const why = code === 'EROFS' ? 'it is read-only' : `uid ${process.geteuid?.() ?? -1} may not write there (${code})`;
    return { held: false, reason: `${finish} can't be replaced: ${why}` };
  }
}

/** Puts the original back, also after an agent that was killed. Does nothing when there is nothing to put back. */
export async function release(folder: string): Promise<void> {
  const finish = join(folder, 'finish');
  const original = join(folder, ORIGINAL);
  if (await exists(original)) await rename(original, finish);
  else if (await isOurs(finish)) await unlink(finish);
}

/** The process that lives and for which the service is held; null when it is not. */
export async function holderOf(folder: string): Promise<number | null> {
  const text = await readFile(join(folder, 'finish'), 'utf8').catch(() => '');
  if (text.split('\n', 2)[1] !== MARK) return null;
  const [, pid, ticks] = /<\/proc\/(\d+)\/stat[^]*?= (\d+) \]/.exec(text) ?? [];
  return processOf(Number(pid))?.startTicks === Number(ticks) ? Number(pid) : null;
}
