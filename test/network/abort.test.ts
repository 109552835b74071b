import { expect, it } from 'vitest';
import { raceAbort } from '../../src/network/abort.ts';

it('a wait that is over before it began leaves no rejection that nobody handles', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const late = Promise.reject(new Error('too late'));
    await expect(raceAbort(late, AbortSignal.abort())).rejects.toThrow('given up');
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
