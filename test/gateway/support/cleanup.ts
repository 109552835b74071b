/** Ends with each test what the test has started. */
import { afterEach } from 'vitest';

const cleanups: (() => unknown)[] = [];

/** Ends with the test what it started. */
export function useCleanup(): void {
  afterEach(runCleanup);
}

/** Ends what was started so far: for files whose tests share a node. */
export async function runCleanup(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

/** Runs `cleanup` after the test. */
export function defer(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}
