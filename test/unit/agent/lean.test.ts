import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const program = (name: string) => fileURLToPath(new URL(`../../fixtures/agent/${name}`, import.meta.url));

test('what only the start needed leaves memory, and the process goes on', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program('shed.ts')]);
  const { before, after } = JSON.parse(stdout) as { before: number; after: number };
  expect(after).toBeLessThan(before / 2);
});

test('a system that does not tell what lies in memory is none to end for', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program('shed-without-smaps.ts')]);
  expect(stdout).toBe('alive');
});
