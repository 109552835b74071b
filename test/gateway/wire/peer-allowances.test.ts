/** What a peer may have a node do over sessions, whichever end has opened them. */
import { beforeEach, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createPeerAllowances } from '../../../src/gateway/wire/peers/peer-allowances.ts';
import type { PeerAllowances } from '../../../src/gateway/wire/peers/peer-allowances.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [MALLORY, BOB] = ['mallory', 'bob'] as unknown as [PeerId, PeerId];
const MINUTE = 60_000;

let clock: TestClock;
let reported: (readonly [PeerId, string, number?])[];
let allowances: PeerAllowances;

beforeEach(() => {
  clock = createTestClock();
  reported = [];
  const network = {
    report: (...report: (typeof reported)[number]) => void reported.push(report),
  };
  allowances = createPeerAllowances({ clock, network });
});

/** How many of the texts that mallory shows, fifty at a time, are looked at in `forMs`. */
function lookedAt(forMs: number, cost: { verified: number; refused: number }): number {
  let count = 0;
  for (let ms = 0; ms < forMs; ms += 10) {
    clock.advance(10);
    if (!allowances.mayShow(MALLORY, 50)) continue;
    allowances.shown(MALLORY, cost);
    count += 50;
  }
  return count;
}

it('verifies a peer all that it may hold at once, and then only so much, however sound it is', () => {
  expect(lookedAt(MINUTE, { verified: 50, refused: 0 })).toBeLessThan(9000);
  expect(reported[0]).toEqual([MALLORY, 'records', 50]);
  expect(allowances.mayShow(BOB, 50)).toBe(true);
});

it('looks at fewer that it has to refuse', () => {
  expect(lookedAt(MINUTE, { verified: 0, refused: 50 })).toBeLessThan(1800);
});

it('looks at what it knows already as often as it is shown', () => {
  expect(lookedAt(MINUTE, { verified: 0, refused: 0 })).toBe((MINUTE / 10) * 50);
  expect(reported).toEqual([]);
});

it('lets who says what nobody has asked for wait, and tells of it', () => {
  expect(allowances.unasked(MALLORY, 4000)).toBe(0);
  expect(allowances.unasked(MALLORY, 3000)).toBeGreaterThan(500);
  expect(reported).toEqual([[MALLORY, 'messages', 50]]);
  expect([allowances.unasked(MALLORY, 0), allowances.unasked(BOB, 100)]).toEqual([0, 0]);
  clock.advance(MINUTE);
  expect(allowances.unasked(MALLORY, 100)).toBe(0);
});

it('keeps only so much that a peer does not read, over all its sessions', () => {
  const part = 16 * 1024 * 1024;
  const kept = (): number =>
    Array.from({ length: 20 }, () => allowances.waits(MALLORY, part)).filter(Boolean).length;
  expect(kept()).toBe(6);
  expect(reported.filter(([, what]) => what === 'unread')).toHaveLength(14);
  expect(allowances.waits(BOB, part)).toBe(true);
  expect(allowances.waits(MALLORY, -2 * part)).toBe(true);
  expect(kept()).toBe(2);
});

it('makes so many lists for a peer, fewer of many things, and tells of who asks on', () => {
  const listed = (things: number): number => {
    let count = 0;
    while (allowances.listRefusal(MALLORY) === undefined) {
      allowances.listed(MALLORY, things);
      count += 1;
    }
    clock.advance(MINUTE);
    return count;
  };
  expect([listed(0), listed(450), listed(100_000)]).toEqual([400, 40, 1]);
  expect(reported).toEqual(Array.from({ length: 3 }, () => [MALLORY, 'lists']));
  expect(allowances.listRefusal(BOB)).toBeUndefined();
});

it('keeps only so much for all peers together, and then an equal share of each', () => {
  const part = 16 * 1024 * 1024;
  const peers = Array.from({ length: 20 }, (_, at) => `peer${at}` as unknown as PeerId);
  let kept = 0;
  for (let round = 0; round < 6; round += 1) {
    for (const peer of peers) if (allowances.waits(peer, part)) kept += 1;
  }
  expect(kept).toBe(peers.length);
});
