/** `npm test`: every vitest project on a real engine; the last line is `N passed, N failed` alone. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { CHECKOUT } from './sample.ts';

const RESULTS = join(CHECKOUT, 'build', 'test-results.json');

await mkdir(join(CHECKOUT, 'build'), { recursive: true });
await rm(RESULTS, { force: true });
const exitCode = await vitest(['run', '--reporter=default', '--reporter=json', `--outputFile=${RESULTS}`]);
const { passed, failed, skipped } = await count();
// A test that is skipped proves nothing, so it counts as failed.
if (skipped > 0) process.stdout.write(`${skipped} skipped: they count as failed.\n`);
const bad = failed + skipped;
process.exitCode = exitCode !== 0 || bad > 0 || passed === 0 ? 1 : 0;
process.stdout.write(`${passed} passed, ${bad} failed\n`);

function vitest(args: readonly string[]): Promise<number> {
  const program = join(CHECKOUT, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [program, ...args, ...process.argv.slice(2)], {
    stdio: 'inherit',
    cwd: CHECKOUT,
  });
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
