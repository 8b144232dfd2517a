/** Contents of which every part tells that it is not the whole. */
export function version(n: number): string {
  return `version ${n}\n${`line of version ${n}\n`.repeat(20 + ((n * 7) % 180))}end of version ${n}\n`;
}

/** A line of a log; the first is number 0. */
export const logLine = (n: number): string => `${n} ${'x'.repeat(n % 60)}\n`;
