/** Questions at one time: each keeps what its tools gave, so that there are no more than the node has room for. */
import { expect, it } from 'vitest';
import { OPERATOR } from '../../src/guard/index.ts';
import { askTools } from '../../src/thinking/index.ts';
import { ASKS_MAX } from '../../src/thinking/limits.ts';

it('no more questions than there is room for are answered at one time, and one that ends makes room', async () => {
  let asked = 0;
  const [tool] = askTools({
    models: {
      ask: (_, __, signal) =>
        new Promise((_resolve, reject) => {
          asked += 1;
          if (signal.aborted) reject(signal.reason as Error);
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        }),
    },
    messageBytes: 1_000_000,
    innerCaller: () => ({
      request: async () => ({ tools: [] }),
      originOf: () => undefined,
      close: () => undefined,
    }),
    zoneOf: () => 'local',
    clock: { now: () => 1 },
  });
  const over = new AbortController();
  const ask = async (): Promise<unknown> =>
    tool?.call(
      { question: 'who?', model: 'gpu/mind', tools: [] },
      { principal: OPERATOR, signal: over.signal },
    );
  const all = Promise.allSettled(Array.from({ length: ASKS_MAX }, ask));
  await expect(ask()).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  expect(asked).toBeLessThanOrEqual(ASKS_MAX);
  over.abort(new Error('gone'));
  expect((await all).map(({ status }) => status)).toEqual(Array(ASKS_MAX).fill('rejected'));
  await expect(ask()).rejects.toThrow('gone');
});
