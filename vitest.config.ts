import { defineConfig } from 'vitest/config';

/**
 * The files of the fast suites share their workers' processes and modules, whose only state is caches and locks by path: half
 * of the CPU time went into loading the same modules 150 times. So a file takes back what it does to its process (environment,
 * spies); `--sequence.shuffle.files` shows whether it does.
 */
const isolate = false;

/**
 * On real components, but with the machine for themselves: two containerds at a time on two cores make each other's timings
 * meaningless, and so do other suites for those that count what agents do in a stretch of time.
 */
const alone = 'busy clean crash fleet idle image imagelistscale restart runtime sampling sentinel'
  .split(' ')
  .map((name) => `test/real/${name}.test.ts`);

/** One project per kind of proof, so that `scripts/test fast` can leave out what needs root and real components. */
export default defineConfig({
  test: {
    // Half of the time of the fast suites is waiting for child processes: more workers than vitest's default of one on two
    // cores.
    maxWorkers: 3,
    projects: [
      // Thousands of generated cases take seconds where the machine is busy.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate, testTimeout: 120_000 } },
      { test: { name: 'sim', include: ['test/sim/**/*.test.ts'], isolate, testTimeout: 120_000 } },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/contract/cli/bundle.setup.ts'],
          isolate,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          exclude: alone,
          // Nearly all of their time they wait for what an API server, a controller or an agent does next.
          maxWorkers: 3,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          // One emulated machine at a time, and minutes for each boot of it.
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 1_800_000,
          hookTimeout: 1_800_000,
        },
      },
    ],
  },
});
