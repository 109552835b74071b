/**
 * The one test file of a mutation run: the tests of the job twice, first to learn which mutants each
 * of them comes by, then to try the mutants.
 */
import fc from 'fast-check';
import { describe } from 'vitest';
import { readJob } from './job.ts';

// The same inputs for each mutant, and again in the next run.
fc.configureGlobal({ seed: 1, numRuns: 30 });

const { tests, alwaysOn } = readJob();

/** With a query a test file is loaded anew, and what it tests is not. */
async function load(round: string): Promise<void> {
  for (const path of tests) await import(/* @vite-ignore */ `${path}?${round}`);
}

describe('cover', async () => {
  await load('cover');
});

describe.runIf(alwaysOn === 0)('try', async () => {
  await load('try');
});
