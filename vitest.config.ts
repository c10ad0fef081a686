import { defineConfig } from 'vitest/config';

/** One project per kind of proof, so that `scripts/test fast` can leave out what needs root and real components. */
export default defineConfig({
  test: {
    // Half of the time of the fast suites is waiting for child processes: more workers than vitest's default of one on two
    // cores. Files of the real project still come one at a time.
    maxWorkers: 3,
    projects: [
      // Thousands of generated cases take seconds where the machine is busy.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'sim', include: ['test/sim/**/*.test.ts'], testTimeout: 30_000 } },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/contract/cli/bundle.setup.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          // Two containerds at a time on two cores make each other's timings meaningless.
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
