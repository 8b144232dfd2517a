import { defineConfig } from 'vitest/config';

/**
 * Files at a time, of all projects together, also where there are two cores: most of a test's time is waiting, for a
 * container's Python mostly. What a file makes on the engine and on this machine is therefore its own.
 */
const WORKERS = 2;

/** Only the real engine's tests may take long; none has a retry. */
const project = (name: string, seconds: number, globalSetup: readonly string[] = []) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.{ts,tsx}`],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    maxWorkers: WORKERS,
    retry: 0,
    globalSetup: [...globalSetup],
  },
});

const ENGINE = ['test/support/leftovers.ts'];

export default defineConfig({
  test: {
    projects: [
      project('unit', 300),
      project('contract', 300),
      project('integration', 600, ENGINE),
      project('e2e', 900, ENGINE),
    ],
  },
});
