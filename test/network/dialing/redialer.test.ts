/** The redial schedule and loop, on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';
import { createRedialer } from '../../../src/network/dialing/redialer.ts';
import { freshState, lostState, nextState } from '../../../src/network/dialing/redial-schedule.ts';
import type { DialOutcome } from '../../../src/network/dialing/redial-schedule.ts';

/** `skip` moves the time on while nothing runs, as in a process that gets no processor. */
function manualClock(): Clock & {
  advance(ms: number): Promise<void>;
  skip(ms: number): void;
  /** The wall clock is set, and timers run on. */
  set(ms: number): void;
} {
  let now = 0;
  let setMs = 0;
  const timers = new Set<{ at: number; task: () => void }>();
  return {
    now: () => now + setMs,
    set: (ms) => void (setMs += ms),
    schedule(delayMs, task) {
      const timer = { at: now + delayMs, task };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    skip: (ms) => void (now += ms),
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const [next] = [...timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.task();
      }
      now = end;
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the schedule', () => {
  it('doubles from one second to sixty and stays there', () => {
    let state = freshState(0);
    const delays: number[] = [];
    for (let turn = 0; turn < 9; turn++) {
      state = nextState(state, 'failed', 0, () => 1);
      delays.push(state.dueAt);
    }
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('waits long at once after a refusal', () => {
    expect(nextState(freshState(0), 'refused', 0, () => 1).dueAt).toBe(60_000);
  });

  it('begins anew after a connection that held, and counts one that broke at once', () => {
    const tired = { failures: 6, dueAt: 0 };
    expect(lostState(tired, 20_000, 0, () => 1)).toEqual({ failures: 1, dueAt: 1000 });
    expect(lostState(tired, 100, 0, () => 1)).toEqual({ failures: 7, dueAt: 60_000 });
  });
});

describe('the loop', () => {
  function setUp(outcome: (key: string) => DialOutcome | Promise<DialOutcome>) {
    const clock = manualClock();
    const dials: { key: string; at: number }[] = [];
    const connected = new Set<string>();
    const coming = new Set<string>();
    const redialer = createRedialer({
      clock,
      random: () => 1,
      logger: silentLogger,
      isSatisfied: (key) => connected.has(key),
      isAnybodyComing: () => coming.size > 0,
      async dial(key) {
        dials.push({ key, at: clock.now() });
        const result = await outcome(key);
        if (result === 'connected') connected.add(key);
        return result;
      },
    });
    return { clock, coming, dials, connected, redialer };
  }

  it('never gives up', async () => {
    const { clock, dials, redialer } = setUp(() => 'failed');
    redialer.keep('p');
    await clock.advance(3_600_000);
    expect(dials.length).toBeGreaterThan(60);
    expect(dials.slice(0, 4).map(({ at }) => at)).toEqual([0, 1000, 3000, 7000]);
    redialer.stop();
  });

  it('dials a peer once at a time, and again only after it is lost', async () => {
    const { clock, dials, connected, redialer } = setUp(() => 'connected');
    redialer.keep('p');
    redialer.keep('p');
    redialer.suggest('p');
    await clock.advance(120_000);
    expect(dials.length).toBe(1);
    connected.delete('p');
    redialer.lost('p', 60_000);
    await clock.advance(900);
    expect(dials.length).toBe(1);
    await clock.advance(200);
    expect(dials.length).toBe(2);
    redialer.stop();
  });

  it('leaves the first dial to the other side for a while, also after a loss', async () => {
    const { clock, dials, connected, redialer } = setUp(() => 'connected');
    redialer.keep('p', 2000);
    await clock.advance(1900);
    expect(dials.length).toBe(0);
    await clock.advance(200);
    expect(dials.length).toBe(1);
    connected.delete('p');
    redialer.lost('p', 60_000);
    await clock.advance(2900);
    expect(dials.length).toBe(1);
    await clock.advance(200);
    expect(dials.length).toBe(2);
    redialer.stop();
  });

  it('leaves it to the other side for longer while somebody is connecting, three times at the most', async () => {
    const { clock, coming, dials, connected, redialer } = setUp(() => 'connected');
    coming.add('somebody');
    redialer.keep('p', 2000);
    await clock.advance(3900);
    // It was the peer.
    connected.add('p');
    coming.clear();
    await clock.advance(60_000);
    expect(dials).toEqual([]);
    coming.add('somebody else, all the time');
    redialer.keep('q', 2000);
    const from = clock.now();
    await clock.advance(60_000);
    expect(dials).toEqual([{ key: 'q', at: from + 4 * 2000 }]);
    redialer.stop();
  });

  it('leaves it to the other side for longer where this process was late', async () => {
    const { clock, dials, redialer } = setUp(() => 'connected');
    redialer.keep('p', 2000);
    await clock.advance(100);
    clock.skip(4000);
    await clock.advance(1900);
    expect(dials).toEqual([]);
    await clock.advance(200);
    expect(dials.length).toBe(1);
    redialer.stop();
  });

  it.each([
    ['back', -365 * 86_400_000],
    ['ahead', 365 * 86_400_000],
  ])('dials within the longest wait after the clock was set %s by a year', async (_, ms) => {
    const { clock, dials, connected, redialer } = setUp(() => 'failed');
    redialer.keep('p', 2000);
    redialer.suggest('q');
    await clock.advance(3_600_000);
    clock.set(ms);
    // What satisfied the target may be no more, and somebody has told of the other.
    redialer.look('p');
    redialer.suggest('q');
    dials.length = 0;
    await clock.advance(62_000);
    redialer.suggest('q');
    await clock.advance(1);
    expect(new Set(dials.map(({ key }) => key))).toEqual(new Set(['p', 'q']));
    connected.add('p');
    redialer.stop();
  });

  it('dials a suggested peer once, and heeds its backoff', async () => {
    const { clock, dials, redialer } = setUp(() => 'refused');
    for (let turn = 0; turn < 12; turn++) {
      redialer.suggest('p');
      await clock.advance(10_000);
    }
    expect(dials.map(({ at }) => at)).toEqual([0, 60_000]);
    redialer.stop();
  });

  it('runs at most eight dials at a time and gets to all', async () => {
    const open: (() => void)[] = [];
    const { clock, dials, redialer } = setUp(
      () => new Promise((resolve) => open.push(() => resolve('connected'))),
    );
    for (let index = 0; index < 20; index++) redialer.keep(`p${index}`);
    await clock.advance(10);
    expect(dials.length).toBe(8);
    while (open.length > 0) {
      for (const finish of open.splice(0)) finish();
      await clock.advance(10);
    }
    expect(new Set(dials.map(({ key }) => key)).size).toBe(20);
    redialer.stop();
  });

  it('stops with its owner, and forgets who is not kept any more', async () => {
    const { clock, dials, redialer } = setUp(() => 'failed');
    redialer.keep('p');
    redialer.keep('q');
    await clock.advance(10);
    redialer.unkeep('p');
    expect(redialer.isKept('p')).toBe(false);
    await clock.advance(10_000);
    expect(dials.filter(({ key }) => key === 'p').length).toBe(1);
    const before = dials.length;
    redialer.stop();
    await clock.advance(600_000);
    expect(dials.length).toBe(before);
  });
});
