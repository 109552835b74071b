/** A semaphore: so many at a time, first come first served, and whoever leaves takes no permit along. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../src/core/index.ts';

/** Starts a take and notes when it is given. */
function take(semaphore: ReturnType<typeof createSemaphore>, signal?: AbortSignal) {
  const seen: { given: boolean | undefined } = { given: undefined };
  void semaphore.take(signal).then((given) => (seen.given = given));
  return seen;
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a semaphore', () => {
  it('lets so many in at a time, and the others in the order in which they came', async () => {
    const semaphore = createSemaphore(2);
    const [first, second, third, fourth] = Array.from({ length: 4 }, () => take(semaphore));
    await turn();
    expect([first, second, third, fourth].map((seen) => seen?.given)).toEqual([
      true,
      true,
      undefined,
      undefined,
    ]);
    semaphore.give();
    await turn();
    expect([third?.given, fourth?.given]).toEqual([true, undefined]);
    semaphore.give();
    await turn();
    expect(fourth?.given).toBe(true);
  });

  it('forgets whoever gives up, who then has nothing to give back', async () => {
    const semaphore = createSemaphore(1);
    const abort = new AbortController();
    expect(await semaphore.take()).toBe(true);
    const leaving = take(semaphore, abort.signal);
    const staying = take(semaphore);
    abort.abort();
    await turn();
    expect(leaving.given).toBe(false);
    semaphore.give();
    await turn();
    expect(staying.given).toBe(true);
    expect(await semaphore.take(abort.signal)).toBe(false);
  });

  it('leaves no listener on a signal whose permit came', async () => {
    const semaphore = createSemaphore(1);
    const { signal } = new AbortController();
    await semaphore.take();
    const waiting = semaphore.take(signal);
    semaphore.give();
    expect(await waiting).toBe(true);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('has never more permits than it was made with, even when one is given back twice', async () => {
    const semaphore = createSemaphore(1);
    semaphore.give();
    expect(await semaphore.take()).toBe(true);
    const second = take(semaphore);
    await turn();
    expect(second.given).toBeUndefined();
  });
});
