/**
 * One console a folder. The lock is a file that names a process by its number and start time, so that it is void as
 * soon as that process is gone: nobody ever has to remove it by hand.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { DrydockError } from '../../../shared/core/errors.ts';
import { bornAt } from '../../../shared/disk/life.ts';

/** Returns the way to let go. Throws DrydockError `taken` while another live process holds it. */
export function takeLock(file: string, what: string): () => void {
  const mine = `${process.pid} ${startOf(process.pid) ?? '?'} ${randomUUID()}`;
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, mine, { mode: 0o600 });
    while (!tryLink(own, file)) {
      const theirs = readText(file);
      if (theirs === null) continue;
      const pid = holder(theirs);
      if (pid !== null) {
        throw new DrydockError('taken', `Another Drydock (process ${pid}) synchronises ${what}.`, {
          hint: 'Use that one, or end it first.',
        });
      }
      breakLock(file, theirs);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => {
    if (readText(file) === mine) rmSync(file, { force: true });
  };
}

/**
 * Takes a dead process's lock away.
 *
 * RACE: another console may have broken the same lock and taken it between our look and our rename; then what we took
 * away is alive and goes back, unless a third one came in that instant. Three consoles started within microseconds of
 * each other on a folder whose last one was killed.
 */
function breakLock(file: string, dead: string): void {
  const away = `${file}.${randomUUID()}`;
  try {
    renameSync(file, away);
  } catch {
    return; // somebody else took it away
  }
  if (readText(away) !== dead) tryLink(away, file);
  rmSync(away, { force: true });
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that holds the lock, or null when it is gone. */
function holder(text: string): number | null {
  const [pid = '', start = ''] = text.split(' ');
  const number = Number(pid);
  return Number.isInteger(number) && startOf(number) === start ? number : null;
}

/** What tells a process from a later one with the same number; null when there is none. */
function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      const born = bornAt(pid);
      return born === null ? null : `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${born}`;
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .replaceAll(' ', '_');
  } catch {
    return null;
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
