/** The calls of the last hour: what each minute had, and that an hour is all that is kept. */
import { expect, it } from 'vitest';
import { STEP_MS, createCallHistory } from '../../src/metrics/call-history.ts';
import { createTestClock } from '../core/test-clock.ts';

const MINUTE_MS = 60_000;

function fixture() {
  const clock = createTestClock();
  // To the begin of a minute, so that the test knows where one ends.
  clock.advance(MINUTE_MS - (clock.now() % MINUTE_MS));
  return { clock, history: createCallHistory(clock) };
}

it('tells nothing of an hour without a call', () => {
  const { history } = fixture();
  const { now, minutes } = history.recent();
  expect(now).toMatchObject({ calls: 0, perSecond: 0 });
  expect(now.p50Ms).toBeUndefined();
  expect(minutes).toHaveLength(60);
  expect(minutes.every(({ calls }) => calls === 0)).toBe(true);
});

it('counts each call in its minute, with how it ended and how long it took', () => {
  const { clock, history } = fixture();
  for (let call = 0; call < 98; call += 1) history.ended('ok', 2);
  history.ended('failed', 2);
  history.ended('refused', 400);
  clock.advance(STEP_MS);
  const { now, minutes } = history.recent();
  expect(now).toMatchObject({
    calls: 100,
    perSecond: 10,
    failed: 1,
    refused: 1,
    p50Ms: 2.5,
    p99Ms: 2.5,
  });
  expect(minutes.at(-1)).toMatchObject({ calls: 100, failed: 1, refused: 1 });
  clock.advance(MINUTE_MS);
  history.ended('cancelled', 90_000);
  const later = history.recent();
  expect(later.minutes.at(-2)).toMatchObject({ calls: 100 });
  // Longer than the longest class: its end is all that is known.
  expect(later.minutes.at(-1)).toMatchObject({ calls: 1, failed: 0, p99Ms: 60_000 });
  expect(later.now.calls).toBe(0);
});

it('forgets what is older than an hour, also after a long sleep', () => {
  const { clock, history } = fixture();
  for (let minute = 0; minute < 90; minute += 1) {
    history.ended('ok', 1);
    clock.advance(MINUTE_MS);
  }
  const sum = (): number => history.recent().minutes.reduce((total, { calls }) => total + calls, 0);
  expect(sum()).toBe(59);
  clock.advance(24 * 60 * MINUTE_MS);
  expect(sum()).toBe(0);
  history.ended('ok', 1);
  expect(sum()).toBe(1);
});
