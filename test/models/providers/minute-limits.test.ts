/** What a provider is sent in a minute. */
import { expect, it } from 'vitest';
import { createAllowance } from '../../../src/models/providers/minute-limits.ts';
import { createTestClock } from '../../core/test-clock.ts';

it('a clock that was a year ahead, and is set right, takes nothing of a minute away', () => {
  const clock = createTestClock();
  const words = { who: 'this node sends provider gpu', key: 'models.providers.gpu.limits' };
  const limits = { requestsPerMinute: 3, tokensPerMinute: 300 };
  const allowance = createAllowance(clock, words, limits);
  allowance.take(100);
  clock.sleep(-365 * 86_400_000);
  allowance.take(100);
  allowance.take(100);
  expect(() => allowance.take(100)).toThrow(/no more than 3 requests/);
  clock.advance(20_000);
  allowance.take(100);
});

it('a clock that is set back and then right again fills no minute anew', () => {
  const clock = createTestClock();
  const words = { who: 'this node sends provider gpu', key: 'models.providers.gpu.limits' };
  const allowance = createAllowance(clock, words, { requestsPerMinute: 60, tokensPerMinute: 600 });
  const sent = (): number => {
    for (let count = 0; ; count += 1) {
      try {
        allowance.take(1);
      } catch {
        return count;
      }
    }
  };
  expect(sent()).toBe(60);
  clock.sleep(-3_600_000);
  expect(sent()).toBe(0);
  clock.sleep(3_600_000);
  expect(sent()).toBe(0);
  clock.advance(10_000);
  expect(sent()).toBe(10);
});
