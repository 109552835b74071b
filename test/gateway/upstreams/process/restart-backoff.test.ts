/** When a server that failed may be started again, on a clock that stands still. */
import { describe, expect, it } from 'vitest';
import { createRestartBackoff } from '../../../../src/gateway/upstreams/process/restart-backoff.ts';
import type { RestartBackoff } from '../../../../src/gateway/upstreams/process/restart-backoff.ts';
import { createTestClock } from '../../../core/test-clock.ts';
import type { TestClock } from '../../../core/test-clock.ts';

function arrange(): { readonly clock: TestClock; readonly backoff: RestartBackoff } {
  const clock = createTestClock();
  return { clock, backoff: createRestartBackoff({ clock, random: () => 1 }) };
}

/** An instance of `clock` that lived `livedMs` and answered `answered` calls has ended. */
const ended = ({ clock }: { readonly clock: TestClock }, livedMs: number, answered = 0) => ({
  startedAt: clock.now() - livedMs,
  answered,
});

describe('the pauses between the starts of a server', () => {
  it('begin with none for a server that has worked, double, and end at a minute', () => {
    const { backoff } = arrange();
    const pauses = Array.from({ length: 9 }, () => backoff.failed(true));
    expect(pauses).toEqual([0, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('begin at once for a server that has never worked', () => {
    const { backoff } = arrange();
    expect([backoff.failed(false), backoff.failed(false)]).toEqual([1000, 2000]);
  });

  it('are over when their time is', () => {
    const { clock, backoff } = arrange();
    expect(backoff.waitMs()).toBe(0);
    backoff.failed(false);
    clock.advance(400);
    expect(backoff.waitMs()).toBe(600);
    clock.advance(5000);
    expect(backoff.waitMs()).toBe(0);
  });

  it.each([
    ['lived for long', 10_001, 0, 0],
    ['answered a call', 5, 1, 0],
    ['did neither', 10_000, 0, 8000],
  ])('after an instance that %s', (_, livedMs, answered, pauseMs) => {
    const bench = arrange();
    for (let count = 0; count < 3; count += 1) bench.backoff.failed(true);
    bench.backoff.ended(ended(bench, livedMs, answered));
    expect(bench.backoff.failed(true)).toBe(pauseMs);
  });

  it('end when the server works, and are as long as before when it fails again', () => {
    const { backoff } = arrange();
    for (let count = 0; count < 3; count += 1) backoff.failed(true);
    backoff.ready();
    expect(backoff.waitMs()).toBe(0);
    expect(backoff.failed(true)).toBe(8000);
  });

  it('are forgotten when what was wrong may be mended', () => {
    const { backoff } = arrange();
    for (let count = 0; count < 3; count += 1) backoff.failed(true);
    backoff.reset();
    expect([backoff.waitMs(), backoff.failed(true)]).toEqual([0, 0]);
  });

  it('are given up after as many failures in a row as the configuration allows', () => {
    const clock = createTestClock();
    const retry = { attempts: 2, delayMs: 100, delayMaxMs: 150 };
    const backoff = createRestartBackoff({ clock, random: () => 1 }, retry);
    const seen = [1, 2, 3].map(() => [backoff.failed(false), backoff.hasGivenUp]);
    expect(seen).toEqual([
      [100, false],
      [150, false],
      [150, true],
    ]);
    backoff.reset();
    expect(backoff.hasGivenUp).toBe(false);
  });
});
