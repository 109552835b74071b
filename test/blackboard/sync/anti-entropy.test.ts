/** When boards are synced: goal is that losses are repaired and nothing else costs a sync. */
import { describe, expect, it } from 'vitest';
import { createAntiEntropy } from '../../../src/blackboard/sync/anti-entropy.ts';
import type { AntiEntropy } from '../../../src/blackboard/sync/anti-entropy.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

interface Bench {
  readonly clock: TestClock;
  readonly repair: AntiEntropy;
  readonly ours: Map<string, string>;
  /** What was asked for, as `peer board`. */
  readonly asked: string[];
  /** Ends the syncs that run. */
  finish(isFruitful: boolean | Error): Promise<void>;
  running(): number;
  hear(peer: string, digest?: string): void;
}

function makeBench(hasRoomFor: (board: string) => boolean = () => true): Bench {
  const clock = createTestClock();
  const ours = new Map([['b', 'ours']]);
  const asked: string[] = [];
  let open: { readonly resolve: (is: boolean) => void; readonly reject: (e: Error) => void }[] = [];
  const repair = createAntiEntropy({
    digests: () => ours,
    mayAsk: (_peer, board) => hasRoomFor(board),
    sync: (peer, board) => {
      asked.push(`${peer} ${board}`);
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
    clock,
    random: () => 0.5,
    logger: silentLogger,
  });
  return {
    clock,
    repair,
    ours,
    asked,
    async finish(isFruitful) {
      const all = open;
      open = [];
      for (const { resolve, reject } of all) {
        if (isFruitful instanceof Error) reject(isFruitful);
        else resolve(isFruitful);
      }
      await calm(3);
    },
    running: () => open.length,
    hear: (peer, digest) =>
      repair.hear(peer as PeerId, new Map(digest === undefined ? [] : [['b', digest]])),
  };
}

describe('a digest that differs', () => {
  it('costs no sync when gossip brings the same within the second', () => {
    const bench = makeBench();
    bench.hear('P', 'theirs');
    bench.clock.advance(500);
    bench.ours.set('b', 'theirs');
    bench.clock.advance(60_000);
    expect(bench.asked).toEqual([]);
  });

  it('costs no sync when the peer says soon that it has caught up', () => {
    const bench = makeBench();
    bench.hear('P', 'theirs');
    bench.clock.advance(500);
    bench.hear('P', 'ours');
    bench.clock.advance(60_000);
    expect([bench.asked, bench.clock.waiting()]).toEqual([[], 0]);
  });

  it('is synced after a second or two when nothing changes', () => {
    const bench = makeBench();
    bench.hear('P', 'theirs');
    bench.clock.advance(999);
    expect(bench.asked).toEqual([]);
    bench.clock.advance(1000);
    expect(bench.asked).toEqual(['P b']);
  });

  it('is synced once in ten seconds while the board keeps changing', async () => {
    const bench = makeBench();
    for (let i = 0; i < 300; i++) {
      bench.ours.set('b', `ours ${i}`);
      if (i % 10 === 0) bench.hear('P', `theirs ${i}`);
      bench.clock.advance(100);
      await bench.finish(true);
    }
    expect(bench.asked.length).toBeGreaterThanOrEqual(1);
    expect(bench.asked.length).toBeLessThanOrEqual(3);
  });

  it('is synced when the peer lacks the board, and when we do', () => {
    const bench = makeBench();
    bench.hear('P');
    bench.ours.clear();
    bench.hear('Q', 'theirs');
    bench.ours.set('b', 'ours');
    bench.clock.advance(20_000);
    expect(bench.asked.toSorted()).toEqual(['P b', 'Q b']);
  });

  it('is left alone for a board that can not be held', () => {
    const bench = makeBench((board) => board === 'b');
    bench.repair.hear(
      'P' as PeerId,
      new Map([
        ['b', 'ours'],
        ['x', 'theirs'],
      ]),
    );
    bench.clock.advance(60_000);
    expect([bench.asked, bench.clock.waiting()]).toEqual([[], 0]);
  });

  it('is looked at later and later when a sync brings nothing, as with a full board', async () => {
    const bench = makeBench();
    for (let second = 0; second < 3600; second += 5) {
      bench.hear('P', 'theirs');
      bench.clock.advance(5000);
      await bench.finish(second % 10 === 0 ? false : new Error('reset'));
    }
    expect(bench.asked.length).toBeGreaterThan(8);
    expect(bench.asked.length).toBeLessThan(30);
    bench.hear('P', 'ours');
    bench.hear('P', 'theirs');
    const before = bench.asked.length;
    bench.clock.advance(3000);
    expect(bench.asked.length).toBe(before + 1);
  });
});

describe('many syncs', () => {
  it('run four at once, and one with each peer', async () => {
    const bench = makeBench();
    for (let i = 0; i < 10; i++) {
      for (const board of ['b', 'c']) bench.repair.syncNow(`P${i}` as PeerId, board);
    }
    expect(bench.running()).toBe(4);
    expect(new Set(bench.asked.map((pair) => pair.split(' ')[0])).size).toBe(4);
    for (let i = 0; i < 10; i++) await bench.finish(true);
    expect([bench.asked.length, new Set(bench.asked).size, bench.running()]).toEqual([20, 20, 0]);
  });

  it('are spread over time when all peers differ from us at once', () => {
    const clocks = Array.from({ length: 24 }, (_, i) => {
      const bench = makeBench();
      for (let peer = 0; peer < 24; peer++) bench.hear(`P${peer}`, peer === i ? 'old' : 'ours');
      return bench;
    });
    for (const bench of clocks) bench.clock.advance(5000);
    expect(clocks.map((bench) => bench.asked.length)).toEqual(clocks.map(() => 1));
  });

  it('are asked for once more when something was written during one', async () => {
    const bench = makeBench();
    bench.repair.syncNow('P' as PeerId, 'b');
    bench.repair.syncNow('P' as PeerId, 'b');
    bench.repair.syncNow('P' as PeerId, 'b');
    expect(bench.asked).toHaveLength(1);
    await bench.finish(true);
    expect(bench.asked).toHaveLength(2);
    await bench.finish(true);
    expect(bench.asked).toHaveLength(2);
  });

  it('are not doubled while the peer syncs the same with us', () => {
    const bench = makeBench();
    const end = bench.repair.serving('P' as PeerId, 'b');
    bench.hear('P', 'theirs');
    bench.hear('Q', 'theirs');
    bench.clock.advance(20_000);
    // Of another peer, and with that one of another board, nothing is held up.
    expect(bench.asked).toEqual(['Q b']);
    bench.repair.syncNow('P' as PeerId, 'c');
    expect(bench.asked).toEqual(['Q b', 'P c']);
    bench.repair.served('P' as PeerId, 'b');
    end();
    bench.clock.advance(20_000);
    expect(bench.asked).toEqual(['Q b', 'P c']);
  });

  it('are done afterwards where that one broke off, or something was missed meanwhile', async () => {
    for (const isMissed of [false, true]) {
      const bench = makeBench();
      const end = bench.repair.serving('P' as PeerId, 'b');
      if (isMissed) bench.repair.syncNow('P' as PeerId, 'b');
      else bench.hear('P', 'theirs');
      bench.clock.advance(20_000);
      expect(bench.asked).toEqual([]);
      if (isMissed) bench.repair.served('P' as PeerId, 'b');
      end();
      expect(bench.asked).toEqual(['P b']);
      await bench.finish(true);
      expect(bench.asked).toEqual(['P b']);
    }
  });

  it('are not doubled when the peer has just asked for the same', () => {
    const bench = makeBench();
    bench.hear('P', 'theirs');
    bench.repair.served('P' as PeerId, 'b');
    bench.clock.advance(60_000);
    expect(bench.asked).toEqual([]);
  });
});

describe('an update that refers to one we have not seen', () => {
  it('is waited for, then asked for', () => {
    const bench = makeBench();
    let isMissing = true;
    bench.repair.missing('P' as PeerId, 'b', () => isMissing);
    isMissing = false;
    bench.clock.advance(5000);
    expect(bench.asked).toEqual([]);
    bench.repair.missing('P' as PeerId, 'b', () => true);
    bench.clock.advance(5000);
    expect(bench.asked).toEqual(['P b']);
  });
});

describe('the end', () => {
  it('forgets a peer that has gone, and leaves no timer when it stops', async () => {
    const bench = makeBench();
    bench.hear('P', 'theirs');
    bench.hear('Q', 'theirs');
    bench.repair.forget('P' as PeerId);
    bench.clock.advance(5000);
    expect(bench.asked).toEqual(['Q b']);
    bench.hear('R', 'theirs');
    bench.repair.stop();
    bench.hear('S', 'theirs');
    expect(bench.clock.waiting()).toBe(0);
    await bench.finish(false);
    bench.clock.advance(60_000);
    expect(bench.asked).toEqual(['Q b']);
  });
});

describe('a peer that goes away while it is synced with', () => {
  it('is forgotten: after 20,000 of them there is still room for the next', async () => {
    const bench = makeBench();
    const { repair, asked } = bench;
    for (let round = 0; round <= 5000; round += 1) {
      const peers = [0, 1, 2, 3].map((at) => `p${round}-${at}` as PeerId);
      for (const peer of peers) repair.syncNow(peer, 'b');
      for (const peer of peers) repair.forget(peer);
      await bench.finish(new Error('the stream broke'));
    }
    const before = asked.length;
    repair.syncNow('last' as PeerId, 'b');
    expect(asked.slice(before)).toEqual(['last b']);
  });

  it('leaves room for others, however many boards it names', async () => {
    const bench = makeBench();
    const { repair, asked } = bench;
    for (let n = 0; n < 1000; n += 1) repair.syncNow('mallory' as PeerId, `made-up-${n}`);
    for (let n = 0; n < 600; n += 1) await bench.finish(new Error('there is none'));
    expect(asked.length).toBe(512);
    repair.syncNow('ann' as PeerId, 'b');
    expect(asked.at(-1)).toBe('ann b');
  });

  it('keeps its failures in mind when it is back before the sync has ended', async () => {
    const bench = makeBench();
    const { repair, asked, clock } = bench;
    repair.syncNow('a' as PeerId, 'b');
    repair.forget('a' as PeerId);
    bench.hear('a', 'theirs');
    await bench.finish(false);
    bench.hear('a', 'theirs');
    clock.advance(1500);
    expect(asked).toEqual(['a b']);
    clock.advance(300_000);
    bench.hear('a', 'theirs');
    clock.advance(5000);
    expect(asked).toEqual(['a b', 'a b']);
  });
});
