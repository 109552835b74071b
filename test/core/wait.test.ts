/** Waiting on an injected clock: each wait has one end, and leaves no timer and no listener behind. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  createScope,
  deadline,
  joinSignals,
  settledWithin,
  sleep,
  within,
  withDeadline,
} from '../../src/core/index.ts';
import { createTestClock } from './test-clock.ts';

const NEVER = new Promise<never>(() => undefined);
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('sleep', () => {
  it('ends with true after its time, and leaves nothing behind', async () => {
    const clock = createTestClock();
    const scope = createScope(clock);
    const slept = sleep(scope, 1000);
    clock.advance(999);
    expect(clock.waiting()).toBe(1);
    clock.advance(1);
    expect(await slept).toBe(true);
    expect(clock.waiting()).toBe(0);
    expect(listeners(scope.signal)).toBe(0);
  });

  it('ends with false at once when the scope closes, or is closed already', async () => {
    const clock = createTestClock();
    const scope = createScope(clock);
    const slept = sleep(scope, 1000);
    scope.close();
    expect(await slept).toBe(false);
    expect(await sleep(scope, 1000)).toBe(false);
    expect(clock.waiting()).toBe(0);
    expect(listeners(scope.signal)).toBe(0);
  });

  it('may be asked for a hundred times on one scope without a warning of leaks', async () => {
    const warnings: Error[] = [];
    const heard = (warning: Error): number => warnings.push(warning);
    process.on('warning', heard);
    const scope = createScope(createTestClock());
    const slept = Array.from({ length: 100 }, () => sleep(scope, 1000));
    scope.close();
    expect(await Promise.all(slept)).not.toContain(true);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', heard);
    expect(warnings).toEqual([]);
  });
});

describe('within', () => {
  it('gives what comes in time, and what fails in time, and clears its timer', async () => {
    const clock = createTestClock();
    expect(await within(1000, Promise.resolve('here'), clock)).toBe('here');
    await expect(within(1000, Promise.reject(new Error('broken')), clock)).rejects.toThrow(
      'broken',
    );
    expect(clock.waiting()).toBe(0);
  });

  it('rejects with a TimeoutError that says how long, when time is over', async () => {
    const clock = createTestClock();
    const late = within(1000, NEVER, clock);
    clock.advance(1000);
    await expect(late).rejects.toMatchObject({
      name: 'TimeoutError',
      message: 'it took longer than 1000 ms',
    });
    expect(clock.waiting()).toBe(0);
  });

  it('does not hear what fails after the time is over', async () => {
    const clock = createTestClock();
    let fail: (error: Error) => void = () => undefined;
    const late = within(
      1000,
      new Promise((_, reject) => {
        fail = reject;
      }),
      clock,
    );
    clock.advance(1000);
    await expect(late).rejects.toThrow('1000 ms');
    fail(new Error('too late for anybody to hear'));
    // A rejection that nobody handles would end the test run.
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('settledWithin', () => {
  it('says whether the end came in time, however it came', async () => {
    const clock = createTestClock();
    expect(await settledWithin(1000, Promise.resolve(), clock)).toBe(true);
    expect(await settledWithin(1000, Promise.reject(new Error('broken')), clock)).toBe(true);
    const late = settledWithin(1000, NEVER, clock);
    clock.advance(1000);
    expect(await late).toBe(false);
    expect(clock.waiting()).toBe(0);
  });
});

describe('a deadline', () => {
  it('aborts its signal with a TimeoutError when time is over', () => {
    const clock = createTestClock();
    const { signal } = deadline(clock, 1000);
    clock.advance(999);
    expect(signal.aborted).toBe(false);
    clock.advance(1);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('never aborts once it is cleared, and leaves no timer and no listener', () => {
    const clock = createTestClock();
    const parent = new AbortController();
    const { signal, clear } = deadline(clock, 1000, parent.signal);
    clear();
    clear();
    expect(clock.waiting()).toBe(0);
    expect(listeners(parent.signal)).toBe(0);
    parent.abort();
    clock.advance(1000);
    expect(signal.aborted).toBe(false);
  });

  it('aborts with its parent and for the same reason, also when the parent was first', () => {
    const clock = createTestClock();
    const parent = new AbortController();
    const before = deadline(clock, 1000, parent.signal);
    const reason = new Error('the caller left');
    parent.abort(reason);
    expect(before.signal.reason).toBe(reason);
    expect(deadline(clock, 1000, parent.signal).signal.reason).toBe(reason);
    expect(clock.waiting()).toBe(0);
  });

  it('lets go of its parent when time is over', () => {
    const clock = createTestClock();
    const parent = new AbortController();
    deadline(clock, 1000, parent.signal);
    clock.advance(1000);
    expect(listeners(parent.signal)).toBe(0);
  });
});

describe('many deadlines of one parent', () => {
  it('share one listener, all end with the parent, and leave none when all are cleared', () => {
    const clock = createTestClock();
    const parent = new AbortController();
    const all = Array.from({ length: 50 }, () => deadline(clock, 1000, parent.signal));
    expect(listeners(parent.signal)).toBe(1);
    for (const one of all.slice(0, 49)) one.clear();
    expect(listeners(parent.signal)).toBe(1);
    all[49]?.clear();
    expect(listeners(parent.signal)).toBe(0);
    const later = [1, 2].map(() => deadline(clock, 1000, parent.signal));
    parent.abort('over');
    expect(later.map(({ signal }) => signal.reason as unknown)).toEqual(['over', 'over']);
    expect([listeners(parent.signal), clock.waiting()]).toEqual([0, 0]);
    expect(all.some(({ signal }) => signal.aborted)).toBe(false);
  });
});

describe('signals that are joined', () => {
  it('abort one signal, with the reason of the first, and leave no listener', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const { signal } = joinSignals(one.signal, other.signal);
    other.abort(new Error('the room closes'));
    one.abort(new Error('too late'));
    expect(signal.reason).toMatchObject({ message: 'the room closes' });
    expect([one.signal, other.signal].map(listeners)).toEqual([0, 0]);
    expect(joinSignals(new AbortController().signal, one.signal).signal).toBe(one.signal);
  });

  it('never abort once they are cleared, and leave nothing at what outlives them', () => {
    const life = new AbortController();
    const works = Array.from({ length: 1000 }, () =>
      joinSignals(new AbortController().signal, life.signal),
    );
    expect(listeners(life.signal)).toBe(1);
    for (const { clear } of works) clear();
    works[0]?.clear();
    expect(listeners(life.signal)).toBe(0);
    life.abort();
    expect(works.some(({ signal }) => signal.aborted)).toBe(false);
  });
});

describe('work with a deadline', () => {
  it('is told when time is over, and ends as the work ends', async () => {
    const clock = createTestClock();
    const done = withDeadline(
      clock,
      1000,
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        }),
    );
    clock.advance(1000);
    await expect(done).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('gives its timer back when the work ends or fails, also before its first wait', async () => {
    const clock = createTestClock();
    expect(await withDeadline(clock, 1000, () => Promise.resolve('here'))).toBe('here');
    await expect(
      withDeadline(clock, 1000, () => {
        throw new Error('broken at once');
      }),
    ).rejects.toThrow('broken at once');
    expect(clock.waiting()).toBe(0);
  });
});
