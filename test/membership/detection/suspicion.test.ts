/** When a peer is suspect, dead, or alive again: only a state, evidence and a time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weigh } from '../../../src/membership/detection/suspicion.ts';
import type { Evidence, Suspicion } from '../../../src/membership/detection/suspicion.ts';

const LIMITS = { phiSuspect: 8, deadAfterMs: 15_000, probes: 2 };
const ALIVE: Suspicion = { state: 'alive' };
const SUSPECT: Suspicion = { state: 'suspect', suspectAtMs: 1000 };
const DEAD: Suspicion = { state: 'dead' };
const LEFT: Suspicion = { state: 'left' };

const silence = (phi: number, isLate = false): Evidence => ({ kind: 'silence', phi, isLate });
const after = (before: Suspicion, evidence: Evidence, nowMs = 2000): Suspicion =>
  weigh(before, evidence, nowMs, LIMITS);

describe('a peer that is alive', () => {
  it('is suspect when its heartbeat is late by more than the limit, and not at the limit', () => {
    expect(after(ALIVE, silence(8))).toBe(ALIVE);
    expect(after(ALIVE, silence(8.01))).toEqual({ state: 'suspect', suspectAtMs: 2000 });
  });

  it('is suspect as soon as its last link is lost', () => {
    expect(after(ALIVE, { kind: 'disconnected' })).toEqual({ state: 'suspect', suspectAtMs: 2000 });
  });

  it('has left when it says goodbye', () => {
    expect(after(ALIVE, { kind: 'heartbeat', status: 'leaving' })).toEqual(LEFT);
  });
});

describe('a peer that its neighbours accuse', () => {
  const accused = (isEnough: boolean, isOver: boolean): Evidence => ({
    kind: 'accused',
    isEnough,
    isOver,
  });

  it('is suspect once enough of them do, and dead when that has lasted', () => {
    expect(after(ALIVE, accused(false, false))).toBe(ALIVE);
    expect(after(ALIVE, accused(true, true))).toEqual({ state: 'suspect', suspectAtMs: 2000 });
    expect(after(SUSPECT, accused(true, false))).toBe(SUSPECT);
    expect(after(SUSPECT, accused(true, true))).toEqual(DEAD);
  });

  it('is alive again when they do no more, and what is over stays so', () => {
    expect(after(SUSPECT, accused(false, false))).toEqual(ALIVE);
    for (const over of [DEAD, LEFT]) {
      expect(after(over, accused(false, false))).toBe(over);
      expect(after(over, accused(true, true))).toBe(over);
    }
  });
});

describe('a suspect', () => {
  it.each<[string, Evidence]>([
    ['is heard', { kind: 'heartbeat', status: 'up' }],
    ['has a link again', { kind: 'connected' }],
    ['is reached by a probe', { kind: 'probed', isReached: true, isVouched: false, attempt: 1 }],
  ])('is alive again when it %s', (_, evidence) => {
    expect(after(SUSPECT, evidence)).toEqual(ALIVE);
  });

  it('is dead after the last probe in vain, and not after the first', () => {
    expect(after(SUSPECT, { kind: 'probed', isReached: false, isVouched: false, attempt: 1 })).toBe(
      SUSPECT,
    );
    expect(
      after(SUSPECT, { kind: 'probed', isReached: false, isVouched: false, attempt: 2 }),
    ).toEqual(DEAD);
  });

  it('gains time by others who say that they reach it, and neither its life nor more than that time', () => {
    const vouched: Evidence = { kind: 'probed', isReached: false, isVouched: true, attempt: 2 };
    expect(after(SUSPECT, vouched)).toBe(SUSPECT);
    expect(after(after(SUSPECT, vouched), silence(99), 16_001)).toEqual(DEAD);
  });

  it('is dead when it was suspect for too long, whatever its probes are doing', () => {
    expect(after(SUSPECT, silence(99), 16_000)).toBe(SUSPECT);
    expect(after(SUSPECT, silence(99), 16_001)).toEqual(DEAD);
  });

  it('is suspect from the moment on at which this node woke, not from before it slept', () => {
    const woken = after(SUSPECT, silence(99, true), 3_600_000);
    expect(woken).toEqual({ state: 'suspect', suspectAtMs: 3_600_000 });
    expect(after(woken, silence(99), 3_615_000)).toBe(woken);
    expect(after(woken, silence(99), 3_615_001)).toEqual(DEAD);
  });
});

describe('a peer that is dead or has left', () => {
  it.each([DEAD, LEFT])('stays so ($state) whatever is found out about it', (gone) => {
    const all: Evidence[] = [
      silence(99),
      silence(99, true),
      { kind: 'connected' },
      { kind: 'disconnected' },
      { kind: 'probed', isReached: true, isVouched: false, attempt: 1 },
      { kind: 'probed', isReached: false, isVouched: false, attempt: 2 },
    ];
    for (const evidence of all) expect(after(gone, evidence, 1e9)).toBe(gone);
  });

  it('is alive when it is heard itself', () => {
    const heard: Evidence = { kind: 'heartbeat', status: 'up' };
    expect([DEAD, LEFT].map((gone) => after(gone, heard))).toEqual([ALIVE, ALIVE]);
  });
});

it('whatever is seen, only a suspect dies, and only a suspect has a time', () => {
  const evidence = fc.oneof<fc.Arbitrary<Evidence>[]>(
    fc.constantFrom<Evidence>(
      { kind: 'heartbeat', status: 'up' },
      { kind: 'heartbeat', status: 'leaving' },
      { kind: 'connected' },
      { kind: 'disconnected' },
    ),
    fc.record({
      kind: fc.constant('silence'),
      phi: fc.double({ min: 0, max: 40, noNaN: true }),
      isLate: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('probed'),
      isReached: fc.boolean(),
      isVouched: fc.boolean(),
      attempt: fc.integer({ min: 1, max: 3 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(evidence, fc.nat(20_000))), (events) => {
      let state: Suspicion = ALIVE;
      let nowMs = 0;
      for (const [one, passedMs] of events) {
        nowMs += passedMs;
        const next = weigh(state, one, nowMs, LIMITS);
        if (next.state === 'dead') expect(['suspect', 'dead']).toContain(state.state);
        expect(next.suspectAtMs !== undefined).toBe(next.state === 'suspect');
        state = next;
      }
    }),
  );
});
