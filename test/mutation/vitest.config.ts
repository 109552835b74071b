/** Vitest as `npm run mutate` starts it, in one process for each file. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { readJob } from './job.ts';
import { mutate } from './mutants.ts';

const job = readJob();

export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      load: (id) => (id === job.source ? mutate(readFileSync(id, 'utf8')).code : undefined),
    },
  ],
  resolve: { alias: { tweetnacl: resolve(import.meta.dirname, '../fixtures/quick-nacl.ts') } },
  test: {
    include: ['test/mutation/load-tests.ts'],
    setupFiles: ['src/core/system/node20.ts'],
    runner: resolve(import.meta.dirname, 'runner.ts'),
    pool: 'forks',
    maxWorkers: 1,
    isolate: false,
    testTimeout: 20_000,
    dangerouslyIgnoreUnhandledErrors: true,
    reporters: [],
    silent: true,
  },
});
