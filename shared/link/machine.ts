/** Which machine this is; for both ends. */
import { readFileSync } from 'node:fs';

/** A name for this start of the kernel, the same in all its containers; empty where the system has none. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
