/** What waits for peers that do not read: bounded over all streams of a peer, of all peers together, and in time. */
import { beforeEach, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createUnreadBytes } from '../../../src/network/streams/unread-bytes.ts';
import type { UnreadBytes, Writing } from '../../../src/network/streams/unread-bytes.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [ALICE, BOB, CAROL] = ['alice', 'bob', 'carol'] as unknown as [PeerId, PeerId, PeerId];
const SECOND = 1000;

let clock: TestClock;
let told: PeerId[];
let unread: UnreadBytes;

beforeEach(() => {
  clock = createTestClock();
  told = [];
  unread = createUnreadBytes(
    { clock, unread: (peer) => void told.push(peer) },
    {
      perPeerAtOnce: 100,
      nodeAtOnce: 150,
      perPeerMax: 200,
      fullBytes: 5,
      highWaterBytes: 50,
      stalledMs: 60 * SECOND,
    },
  );
});

function writing(peer = ALICE): Writing & { queuedBytes: number; leftBytes: number; why: string } {
  const made = {
    peer,
    queuedBytes: 0,
    leftBytes: 0,
    why: '',
    abort: (error: Error) => void (made.why = error.message),
  };
  return made;
}

it('has the streams of a peer full sooner when much waits for it, and refuses what is too much', () => {
  expect(unread.queued(writing(), 100)).toBe(true);
  expect(unread.highWaterBytes(ALICE)).toBe(50);
  expect(unread.queued(writing(), 1)).toBe(true);
  expect([unread.highWaterBytes(ALICE), unread.highWaterBytes(BOB)]).toEqual([5, 50]);
  expect([unread.queued(writing(), 100), told]).toEqual([false, [ALICE]]);
  unread.left(ALICE, 51);
  expect(unread.highWaterBytes(ALICE)).toBe(50);
});

it('gives each peer an equal share when too much waits for all together', () => {
  for (const peer of [ALICE, BOB]) unread.queued(writing(peer), 80);
  unread.queued(writing(CAROL), 10);
  expect([ALICE, BOB, CAROL].map((peer) => unread.highWaterBytes(peer))).toEqual([5, 5, 50]);
});

it('ends a stream of which nothing is read for a minute, says why, and counts it against the peer', () => {
  const [never, slow] = [writing(), writing(BOB)];
  for (const one of [never, slow]) {
    one.queuedBytes = 10;
    unread.queued(one, 10);
  }
  for (let count = 0; count < 6; count += 1) {
    clock.advance(15 * SECOND);
    slow.leftBytes += 1;
  }
  expect(never.why).toBe('alice has read nothing of 10 bytes that wait for it for 60 s');
  expect([slow.why, told]).toEqual(['', [ALICE]]);
  slow.queuedBytes = 0;
  clock.advance(15 * SECOND);
  expect(clock.waiting(), 'nothing waits, nothing is looked at').toBe(0);
});
