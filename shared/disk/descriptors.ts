/** How many files this process may hold open. */
import { readFileSync } from 'node:fs';

/** The least that is met, and what is supposed where the system does not say. */
const LEAST = 1_024;

/** Node raises its own limit to the most that it may have as it starts. */
export function descriptorLimit(): number {
  try {
    const [, limit] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === 'unlimited' ? Infinity : Number(limit ?? LEAST);
  } catch {
    return LEAST; // not Linux
  }
}
