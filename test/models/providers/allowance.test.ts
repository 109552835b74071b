/** What a provider is sent in a minute. */
import { expect, it } from 'vitest';
import { createAllowance } from '../../../src/models/providers/allowance.ts';
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
