/** What a peer's sessions cost before something whole has come in them: turns, counted for each peer. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createSessionTurns } from '../../../src/gateway/transports/session-turns.ts';
import type { SessionTurns, Turn } from '../../../src/gateway/transports/session-turns.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [ALICE, BOB] = ['alice', 'bob'] as unknown as [PeerId, PeerId];
const KIB = 1024;
const SECOND = 1000;

interface Opened {
  readonly turn: Turn;
  state: 'waits' | 'read' | 'read on';
}

describe('the sessions that a peer opens', () => {
  let clock: TestClock;
  let turns: SessionTurns;
  let reported: (readonly [PeerId, string, number | undefined])[];

  beforeEach(() => {
    clock = createTestClock();
    reported = [];
    turns = createSessionTurns(clock, {
      report: (peer, what, times) => void reported.push([peer, what, times]),
    });
  });

  /** Opens one; `says` is what has come with it. */
  function open(peer = ALICE, says?: (turn: Turn) => void): Opened {
    const opened: Opened = {
      state: 'waits',
      turn: turns.enter({
        peer,
        begin() {
          opened.state = 'read';
          says?.(opened.turn);
        },
        readOn: () => void (opened.state = 'read on'),
      }),
    };
    opened.turn.ask();
    return opened;
  }
  const many = (count: number, one: () => Opened = open): readonly Opened[] =>
    Array.from({ length: count }, () => one());
  const begun = (all: readonly Opened[]): number =>
    all.filter(({ state }) => state !== 'waits').length;

  it('are all read at once when each brings a message, as those of many agents do', () => {
    const all = many(500, () => open(ALICE, (turn) => turn.proven()));
    expect(begun(all)).toBe(500);
    for (const { turn } of all) turn.ended();
    expect(begun(many(12))).toBe(12);
    expect(reported).toEqual([]);
  });

  it('come at twenty a second after 512, whatever they say, and nothing is held against the peer', () => {
    const one = (): Opened => open(ALICE, (turn) => turn.proven());
    for (const { turn } of many(512, one)) turn.ended();
    const more = many(60, one);
    expect(begun(more)).toBe(0);
    clock.advance(SECOND);
    expect(begun(more)).toBe(20);
    expect(begun([open(BOB)])).toBe(1);
    clock.advance(2 * SECOND);
    expect(begun(more)).toBe(60);
    expect(reported).toEqual([]);
    for (const { turn } of more) turn.ended();
    expect(clock.waiting(), 'nobody waits, no timer runs').toBe(0);
  });

  it('are sixteen at a time while nothing whole has come, and take nothing from another peer', () => {
    const all = many(100);
    expect(begun(all)).toBe(16);
    expect(begun(many(3, () => open(BOB)))).toBe(3);
    for (const { turn } of all.slice(0, 4)) turn.proven();
    expect(begun(all)).toBe(20);
    for (const { turn } of all) turn.proven();
    expect(begun(all)).toBe(100);
    expect(reported).toEqual([]);
  });

  it('come at four a second after 64 have ended with nothing said, and that is told', () => {
    for (let count = 0; count < 70; count += 1) open().turn.ended();
    expect(reported.every(([peer, what]) => peer === ALICE && what === 'streams')).toBe(true);
    expect(reported.length).toBeGreaterThan(0);
    const waiting = many(10);
    expect(begun(waiting)).toBe(0);
    expect(begun([open(BOB)])).toBe(1);
    clock.advance(3 * SECOND);
    expect(begun(waiting)).toBeGreaterThan(0);
    for (const { turn } of waiting) turn.ended();
    expect(clock.waiting(), 'nobody waits, no timer runs').toBe(0);
  });

  it('have their long first messages one after the other', () => {
    const [first, second] = [open(), open()];
    expect([first.turn.holds(513 * KIB), second.turn.holds(513 * KIB)]).toEqual([true, false]);
    expect(second.turn.holds(10), 'a short one does not wait').toBe(true);
    first.turn.proven();
    expect(second.state).toBe('read on');
  });

  it('of sixty agents that show all grants of a node at once are none too many', () => {
    const all = many(60, () => open(ALICE, (turn) => void turn.holds(400 * KIB)));
    for (const { turn } of all) turn.proven();
    expect(begun(all)).toBe(60);
    expect(reported).toEqual([]);
  });

  it('have a bound for the first message, which counts against the peer', () => {
    expect(() => open().turn.holds(5 * KIB * KIB + 1)).toThrow('more than 5242880 bytes');
    expect(reported).toEqual([[ALICE, 'unfinished', 40]]);
  });

  it('wait no more than 16 beside long first messages that are not ended, and each more counts', () => {
    for (const { turn } of many(2)) turn.holds(600 * KIB);
    expect(begun(many(30))).toBe(14);
    expect(() => open()).toThrow('16 sessions of this peer wait');
    expect(() => open()).toThrow('16 sessions of this peer wait');
    expect(reported).toEqual([
      [ALICE, 'unfinished', 2],
      [ALICE, 'unfinished', 2],
    ]);
    expect(begun([open(BOB)])).toBe(1);
  });
});
