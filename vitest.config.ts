import { defineConfig } from 'vitest/config';

/** Only the real engine's tests may take long; none has a retry. */
const project = (name: string, seconds: number, fileParallelism: boolean) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.{ts,tsx}`],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    fileParallelism,
    retry: 0,
  },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', 300, true),
      project('contract', 300, true),
      project('integration', 600, false),
      project('e2e', 900, false),
    ],
  },
});
