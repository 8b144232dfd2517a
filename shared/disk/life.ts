/** Whether a process that left something behind still lives. */
import { readFileSync } from 'node:fs';

/**
 * What tells a live process of this Linux from a later one with the same number: its start, in ticks since boot. Null when
 * there is none. One that has ended lives no more, although it may keep its number for as long as a parent that does not ask for it.
 */
export function bornAt(pid: number): string | null {
  try {
    // proc(5): fields 3 and 22 (state and start), after the command's name, which may hold anything up to its last `)`.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
