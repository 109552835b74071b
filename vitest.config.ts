import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests of the keys themselves: they sign with tweetnacl, as the built program does. */
const KEYS = ['test/identity/**/*.test.ts'];

/**
 * One group, so that one test computes while another waits for a process or a peer. The modules of a
 * room are loaded once for all files of a worker, which was half of their time.
 */
const shared = {
  setupFiles: ['src/core/node20.ts'],
  maxWorkers: 3,
  isolate: false,
};

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Nodes of tests note their folders there, and not beside those of the person who runs the tests.
    env: { XDG_STATE_HOME: join(tmpdir(), 'starling-tests') },
    projects: [
      {
        extends: true,
        resolve: {
          alias: { tweetnacl: resolve(import.meta.dirname, 'test/fixtures/quick-nacl.ts') },
        },
        test: { name: 'rooms', include: ['test/**/*.test.ts'], exclude: KEYS, ...shared },
      },
      { extends: true, test: { name: 'keys', include: KEYS, ...shared } },
    ],
  },
});
