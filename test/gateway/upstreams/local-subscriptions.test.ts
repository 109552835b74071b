/** Subscriptions of one channel whose server goes, comes back, and refuses. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Instance } from '../../../src/gateway/upstreams/instances/instance.ts';
import { createLocalSubscriptions } from '../../../src/gateway/upstreams/local-subscriptions.ts';
import { createTestClock } from '../../core/test-clock.ts';

it('a refused renewal is tried again after ever longer pauses, and at once with the next server', async () => {
  const clock = createTestClock();
  const at: number[] = [];
  let end: () => void = () => undefined;
  let isRefusing = false;
  const make = (): Instance => {
    const ended = new Promise<never>((resolve) => {
      end = () => resolve(undefined as never);
    });
    return {
      ended,
      handshake: { era: 'legacy' },
      subscribers: new Map(),
      usedAt: 0,
      channel: {
        request: async () => {
          at.push(clock.now());
          if (isRefusing) throw new Error('no such resource');
          return {};
        },
      },
    } as unknown as Instance;
  };
  let instance = make();
  const subscriptions = createLocalSubscriptions({
    listener: { notification: () => undefined, request: () => undefined },
    clock,
    logger: silentLogger,
  });
  await subscriptions.add('x:a', () => instance);
  isRefusing = true;
  const endOld = end;
  instance = make();
  endOld();
  const from = clock.now();
  for (let second = 0; second < 200; second += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  const pauses = at.slice(1).map((ms, index, all) => ms - (all[index - 1] ?? from));
  // With the next second, then after 5, 10, 20, 40 and 80 seconds: not forty times.
  expect(pauses.map((ms) => Math.round(ms / 1000))).toEqual([1, 5, 10, 20, 40, 80]);
  subscriptions.close();
});
