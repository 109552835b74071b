/** What a peer has begun to send and not ended: bounded over all its streams, and of all peers together. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLineDecoder } from '../../../src/core/index.ts';
import type { BucketSize, PeerId } from '../../../src/core/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import { createHalfMessages } from '../../../src/network/streams/half-messages.ts';
import type { HalfMessages, Reading } from '../../../src/network/streams/half-messages.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { makeMembers, soon, stopAll, until } from '../support.ts';

const [ALICE, BOB] = ['alice', 'bob'] as unknown as [PeerId, PeerId];
const PROTOCOL = '/starling/half/1';
const MIB = 1024 * 1024;
const SECOND = 1000;

afterEach(stopAll);

describe('what is kept', () => {
  let clock: TestClock;
  let unfinished: [PeerId, number][];
  let kept: HalfMessages;

  beforeEach(() => {
    clock = createTestClock();
    unfinished = [];
    kept = holds(30 * SECOND, { burst: 2 * MIB, everyMs: 1 });
  });

  function holds(stalledMs: number, wasted: BucketSize): HalfMessages {
    return createHalfMessages(
      { clock, unfinished: (...told) => void unfinished.push(told) },
      {
        perPeerAtOnce: 100,
        nodeAtOnce: 150,
        perPeerMax: 200,
        waitingMax: 3,
        longBytes: 10,
        stalledMs,
        slow: { graceMs: 120 * SECOND, bytesPerSecond: 1 },
        wasted,
      },
    );
  }

  function reading(peer = ALICE): Reading & { isRead: boolean; ended: string } {
    const made = {
      peer,
      isRead: true,
      ended: '',
      unreadBytes: 0,
      readOn: () => void (made.isRead = true),
      abort(error: Error) {
        made.ended = error.message;
        kept.drop(made);
      },
    };
    return made;
  }

  it('has the long messages of a peer come one after the other when they are too much together', () => {
    const [first, second, third] = [reading(), reading(), reading()];
    expect([kept.hold(first, 60), kept.hold(second, 60)]).toEqual([true, false]);
    second.isRead = false;
    expect(kept.hold(first, 90)).toBe(true);
    expect(kept.hold(third, 8), 'a short one does not wait').toBe(true);
    expect(second.isRead).toBe(false);
    kept.hold(first, 0);
    expect(second.isRead).toBe(true);
    expect([kept.hold(second, 100), kept.hold(first, 60)]).toEqual([true, false]);
    kept.drop(second);
    expect(first.isRead).toBe(true);
    expect(unfinished).toEqual([]);
  });

  it('refuses what is too much of one peer without counting it, and takes as much of another', () => {
    kept.hold(reading(), 120);
    kept.hold(reading(), 80);
    expect(() => kept.hold(reading(), 1)).toThrow('more than 200 bytes');
    expect(kept.hold(reading(BOB), 70)).toBe(true);
  });

  it('refuses a line that has no end, which is not kept beyond the limit of a message', () => {
    const decoder = createLineDecoder(50, {
      line: () => expect.unreachable(),
      oversize: () => expect.unreachable(),
    });
    const endless = reading();
    const push = (): boolean => {
      decoder.push(new Uint8Array(40));
      return kept.hold(endless, decoder.keptBytes);
    };
    for (let count = 0; count < 5; count += 1) expect(push()).toBe(true);
    expect(push).toThrow('more than 200 bytes');
  });

  it('lets so many messages of a peer wait, and counts one more against it', () => {
    kept.hold(reading(), 101);
    for (let count = 0; count < 3; count += 1) expect(kept.hold(reading(), 11)).toBe(false);
    expect(() => kept.hold(reading(), 11)).toThrow('has begun 3 long messages beside');
    expect(unfinished).toEqual([[ALICE, 1]]);
  });

  it('gives each peer an equal share when all together have too much', () => {
    expect([kept.hold(reading(ALICE), 40), kept.hold(reading(ALICE), 40)]).toEqual([true, true]);
    // 160 in all, of which each may have 75.
    expect([kept.hold(reading(BOB), 40), kept.hold(reading(BOB), 40)]).toEqual([true, false]);
  });

  it('ends a stream whose message comes no further for long, and only while it is read', () => {
    const [stuck, slow, paused] = [reading(), reading(), reading()];
    for (const one of [stuck, slow, paused]) kept.hold(one, 5);
    paused.isRead = false;
    for (let sent = 6; sent < 12; sent += 1) {
      clock.advance(8 * SECOND);
      kept.hold(slow, sent);
    }
    expect(stuck.ended).toContain('has begun a message and sent no more of it for 30 s');
    expect([slow.ended, paused.ended]).toEqual(['', '']);
    expect(unfinished).toEqual([[ALICE, 1]]);
    expect(clock.waiting()).toBe(1);
    for (const one of [slow, paused]) kept.drop(one);
    expect(clock.waiting(), 'nothing is kept, nothing is looked at').toBe(0);
  });

  it('ends a stream whose message comes a byte at a time, and none that a slow link sends steadily', () => {
    const [trickle, steady, paused] = [reading(), reading(), reading()];
    let sent = 0;
    for (let second = 0; second < 160; second += 5) {
      sent += 5;
      kept.hold(steady, sent);
      if (second % 20 === 0) kept.hold(trickle, 1 + second / 20);
      // One that waits for us takes no time of its own.
      paused.isRead = false;
      if (second === 0) kept.hold(paused, 3);
      clock.advance(5 * SECOND);
    }
    expect(trickle.ended).toMatch(/has begun a message and sent 7 bytes of it in 1\d\d s/);
    expect([steady.ended, paused.ended]).toEqual(['', '']);
    expect(unfinished).toEqual([[ALICE, 1]]);
  });

  it('begins to wait anew with each message that follows another in one stream', () => {
    const busy = reading();
    for (let second = 0; second < 600; second += 20) {
      kept.hold(busy, 8);
      clock.advance(10 * SECOND);
      kept.hold(busy, 2);
      clock.advance(10 * SECOND);
    }
    expect(busy.ended).toBe('');
    kept.drop(busy);
  });

  it('counts what was kept in vain beyond what a lost connection takes with it', () => {
    const large = { ...reading(), unreadBytes: MIB };
    for (let count = 0; count < 3; count += 1) {
      kept.hold(large, 10);
      kept.drop(large);
    }
    expect(unfinished.map(([peer, times]) => [peer, Math.round(times)])).toEqual([
      [ALICE, 1],
      [ALICE, 1],
    ]);
  });

  describe('of an allowance of 300 bytes, and then one a second', () => {
    beforeEach(() => {
      kept = holds(300 * SECOND, { burst: 300, everyMs: SECOND });
    });

    it('is given back with each message that is whole: who ends what it begins is never slowed', () => {
      for (let count = 0; count < 50; count += 1) {
        const one = reading();
        expect([kept.hold(one, 50), kept.hold(one, 100), kept.hold(one, 0)]).toEqual([
          true,
          true,
          true,
        ]);
        kept.drop(one);
      }
      expect([unfinished, clock.waiting()]).toEqual([[], 0]);
    });

    it('is no more read of messages that are never ended, and what is dropped beyond it counts', () => {
      let readBytes = 0;
      for (let count = 0; count < 10; count += 1) {
        const one = reading();
        one.isRead = kept.hold(one, 90);
        if (one.isRead) readBytes += 90;
        kept.drop(one);
      }
      expect(readBytes).toBe(270);
      expect(unfinished).toHaveLength(7);
      expect(kept.hold(reading(BOB), 90), 'another peer has its own').toBe(true);
    });

    it('comes back with time, for the oldest message first', () => {
      for (let count = 0; count < 3; count += 1) {
        const one = reading();
        kept.hold(one, 100);
        kept.drop(one);
      }
      const [first, second] = [reading(), reading()];
      for (const one of [first, second]) one.isRead = kept.hold(one, 20);
      expect([first.isRead, second.isRead]).toEqual([false, false]);
      clock.advance(42 * SECOND);
      expect([first.isRead, second.isRead]).toEqual([true, false]);
      kept.hold(first, 0);
      kept.drop(first);
      expect(second.isRead, 'the first has given back what it took').toBe(true);
      kept.drop(second);
      expect(clock.waiting()).toBe(0);
    });
  });
});

it('reads what a peer sends too much of at once in turn, and loses nothing of it', async () => {
  const [alice, bob] = await makeMembers(['alice', 'bob']);
  if (alice === undefined || bob === undefined) throw new Error('two');
  await bob.network.dial(alice.address(), soon());
  const heard: number[] = [];
  alice.network.handle(PROTOCOL, (stream) => {
    const messages = createMessageStream(stream, { maxBytes: 10 * MIB });
    messages.onMessage((message) => {
      heard.push(message.length);
      void messages.close();
    });
  });
  const COUNT = 5;
  for (let count = 0; count < COUNT; count += 1) {
    const messages = createMessageStream(await bob.network.open(alice.id, PROTOCOL, soon()), {
      maxBytes: 10 * MIB,
    });
    messages.onMessage(() => undefined);
    messages.send(Buffer.alloc(9 * MIB));
  }
  await until(() => heard.length === COUNT, 'five messages of 9 MiB');
  expect(new Set(heard)).toEqual(new Set([9 * MIB]));
  expect(alice.network.conduct(bob.id)).toBeUndefined();
});
