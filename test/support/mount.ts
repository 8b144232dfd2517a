/** File systems of their own for a test, where this process may mount any. */
import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { isRoot } from './disk.ts';

/** As `mount` takes them; unmounted when the test is over. */
export function mount(...args: string[]): void {
  execFileSync('mount', args);
  const at = args.at(-1) ?? '';
  onTestFinished(() => void execFileSync('umount', ['-l', at]));
}

/** Whether this process may mount at all: a root in a container often may not. */
export function mayMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return isRoot;
  } catch {
    return false;
  }
}
