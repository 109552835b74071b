import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests that start processes of their own: they wait more than they compute. */
const PROCESSES = ['test/{cli,conformance,e2e,sim}/**/*.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Nodes of tests note their folders there, and not beside those of the person who runs the tests.
    env: { XDG_STATE_HOME: join(tmpdir(), 'starling-tests') },
    projects: [
      {
        extends: true,
        test: {
          name: 'processes',
          include: PROCESSES,
          setupFiles: ['src/core/node20.ts'],
          // Twice the cores of CI: while one test waits for a peer, another has the processor.
          maxWorkers: 4,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: PROCESSES,
          setupFiles: ['src/core/node20.ts'],
          maxWorkers: 2,
          // The modules of a room are loaded once for all its test files, which is half of their time.
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
