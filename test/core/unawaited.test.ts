/** Work that nobody waits for: what it rejects with is told, and is nobody's fault else. */
import { expect, it } from 'vitest';
import { unawaited } from '../../src/core/index.ts';

/** What is logged as an error while `work` goes on. */
async function told(work: Promise<unknown>): Promise<readonly unknown[]> {
  const lines: unknown[] = [];
  const logger = { error: (...line: unknown[]) => void lines.push(line) };
  unawaited(work, logger, 'the letter was not sent', { peer: 'bob' });
  await work.catch(() => undefined);
  // An unhandled rejection would be seen by the runner after this turn.
  await new Promise((resolve) => setImmediate(resolve));
  return lines;
}

it('tells what did not come about, of whom, and why', async () => {
  expect(await told(Promise.reject(new Error('no stamps')))).toEqual([
    [{ peer: 'bob', error: 'no stamps' }, 'the letter was not sent'],
  ]);
});

it('says nothing of what came about', async () => {
  expect(await told(Promise.resolve('sent'))).toEqual([]);
});
