/** `npm test`: every vitest project on a real engine; the last line is `N passed, N failed` alone. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn, type StdioOptions } from 'node:child_process';
import { createProgress } from './progress.mjs';
import { CHECKOUT } from './sample.ts';

const RESULTS = join(CHECKOUT, 'build', 'test-results.json');

await mkdir(join(CHECKOUT, 'build'), { recursive: true });
await rm(RESULTS, { force: true });
const progress = createProgress(process.stderr);
// Before the tests and their time limits: on a bare machine this takes minutes.
const images = await progress.run('building the images of the tests', () =>
  runNode(['test/support/build-images.ts'], ['ignore', 'ignore', 'inherit']),
);
const exitCode =
  images !== 0 ? images : await vitest(['run', '--reporter=default', '--reporter=json', `--outputFile=${RESULTS}`]);
const { passed, failed, skipped } = await count();
// A test that is skipped proves nothing, so it counts as failed.
if (skipped > 0) process.stdout.write(`${skipped} skipped: they count as failed.\n`);
const bad = failed + skipped;
process.exitCode = exitCode !== 0 || bad > 0 || passed === 0 ? 1 : 0;
process.stdout.write(`${passed} passed, ${bad} failed\n`);

function vitest(args: readonly string[]): Promise<number> {
  return runNode([join('node_modules', 'vitest', 'vitest.mjs'), ...args, ...process.argv.slice(2)], 'inherit');
}

function runNode(args: readonly string[], stdio: StdioOptions): Promise<number> {
  const child = spawn(process.execPath, args, { stdio, cwd: CHECKOUT });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** A test file that could not be loaded has no test to fail: it counts as one. */
async function count(): Promise<{ passed: number; failed: number; skipped: number }> {
  let results: unknown;
  try {
    results = JSON.parse(await readFile(RESULTS, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const fields = new Map<string, unknown>(Object.entries(results ?? {}));
  const number = (name: string) => Number(fields.get(name) ?? 0);
  const files: unknown = fields.get('testResults');
  const broken = Array.isArray(files) ? files.filter(isBroken).length : 0;
  return {
    passed: number('numPassedTests'),
    failed: number('numFailedTests') + broken,
    skipped: number('numPendingTests') + number('numTodoTests'),
  };
}

function isBroken(file: unknown): boolean {
  if (typeof file !== 'object' || file === null || !('status' in file) || !('assertionResults' in file)) return false;
  return file.status === 'failed' && Array.isArray(file.assertionResults) && file.assertionResults.length === 0;
}
