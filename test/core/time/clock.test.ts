import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoffMs, systemClock } from '../../../src/core/index.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('the system clock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('runs a task after its delay', () => {
    const task = vi.fn<() => void>();
    systemClock.schedule(50, task);
    vi.advanceTimersByTime(49);
    expect(task).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(task).toHaveBeenCalledOnce();
  });

  it('waits longer than the 24.8 days that a timer of the platform can', () => {
    const task = vi.fn<() => void>();
    systemClock.schedule(90 * DAY_MS, task);
    vi.advanceTimersByTime(90 * DAY_MS - 1);
    expect(task).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(task).toHaveBeenCalledOnce();
  });

  it('runs nothing that was cancelled, early or late', () => {
    const task = vi.fn<() => void>();
    const cancel = systemClock.schedule(90 * DAY_MS, task);
    vi.advanceTimersByTime(60 * DAY_MS);
    cancel();
    cancel();
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(task).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a backoff', () => {
  const init = { baseMs: 1000, capMs: 60_000 };

  it('doubles up to its cap, and never starts below half', () => {
    const least = [0, 1, 2, 5, 6, 100].map((attempt) => backoffMs(attempt, init, () => 0));
    const most = [0, 1, 2, 5, 6, 100].map((attempt) => backoffMs(attempt, init, () => 0.999_999));
    expect(least).toEqual([500, 1000, 2000, 16_000, 30_000, 30_000]);
    expect(most.map(Math.round)).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000]);
  });
});
