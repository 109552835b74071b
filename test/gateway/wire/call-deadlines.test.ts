/** Calls whose time is over, by whatever clock. */
import { expect, it } from 'vitest';
import { createCallDeadlines } from '../../../src/gateway/wire/call-deadlines.ts';
import { createTestClock } from '../../core/test-clock.ts';

it.each([
  ['right', 0],
  ['a year ahead, and was set right', -365 * 86_400_000],
])('a call is late after its time where the clock was %s', (_, setMs) => {
  const clock = createTestClock();
  const now = clock.now();
  const call = { what: 'x', startedAt: now, activeAt: now, timeoutMs: 10_000 };
  const waiting = new Map([[1, call]]);
  const late: number[] = [];
  const deadlines = createCallDeadlines(
    {
      waiting: () => waiting,
      isAsking: () => false,
      late(id) {
        late.push(id);
        waiting.delete(id);
      },
      oddities: () => [],
      clock,
    },
    { title: 'server x', kind: 'server', callTotalMs: 60_000 },
  );
  deadlines.began(call.timeoutMs);
  clock.advance(3000);
  clock.sleep(setMs);
  clock.advance(6000);
  expect(late).toEqual([]);
  clock.advance(6000);
  expect(late).toEqual([1]);
  expect(clock.waiting()).toBe(0);
});
