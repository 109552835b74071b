/** Questions about strong boards that one peer asks on and on: refused ones are told of, and others have their turn. */
import { afterEach, expect, it } from 'vitest';
import { decodeReply, encodeAsk } from '../../../src/blackboard/quorum/format.ts';
import type { Ask, Reply } from '../../../src/blackboard/quorum/format.ts';
import type { Spend } from '../../../src/blackboard/quorum/question-costs.ts';
import { ServedQuestions } from '../../../src/blackboard/quorum/served-questions.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId, Scope } from '../../../src/core/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { encodeLength } from '../../../src/network/streams/framing.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { calm, createHub } from '../hub.ts';
import type { Hub } from '../hub.ts';

const PROTOCOL = '/questions';
const [SELF, EVE, BOB, REPLICA] = ['A', 'E', 'B', 'R'] as PeerId[] as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
];
const REQUEST: Ask = { t: 'do', id: 'r', request: { t: 'get' }, patienceMs: 2000 };
const QUESTION: Ask = { t: 'look', to: { set: 0, disk: '' } };
const DONE: Reply = { t: 'done', outcome: { ok: true, version: 1 } };

let scope: Scope | undefined;
afterEach(() => scope?.close());

interface Bench {
  readonly hub: Hub;
  readonly clock: TestClock;
  /** Sets the time back; timers wait no longer for that. */
  setBack(ms: number): void;
  /** How many questions of each were answered. */
  readonly answered: Map<PeerId, number>;
  /** Sends one chunk on the last stream of a peer. */
  write(from: PeerId, chunk: Uint8Array): void;
  /** Asks so often, and gives how many answers have come by now. */
  ask(from: PeerId, ask: Ask, times: number): Promise<() => number>;
}

function makeBench(
  replyTo: (peer: PeerId, spend: Spend) => Reply | undefined | Promise<Reply>,
): Bench {
  const hub = createHub();
  const right = createTestClock();
  let behindMs = 0;
  const clock: TestClock = { ...right, now: () => right.now() - behindMs };
  const open = createScope(clock);
  scope = open;
  const network = hub.network(SELF);
  const answered = new Map<PeerId, number>();
  const streams = new Map<PeerId, PeerStream>();
  const served = new ServedQuestions({
    network,
    clock,
    logger: silentLogger,
    scope: open,
    isReplica: (peer) => peer === REPLICA,
    answer: (peer, _, spend) => {
      answered.set(peer, (answered.get(peer) ?? 0) + 1);
      return Promise.resolve(replyTo(peer, spend));
    },
  });
  network.handle(PROTOCOL, (stream) => served.serve(stream));
  return {
    hub,
    clock,
    setBack: (ms) => void (behindMs += ms),
    answered,
    write: (from, chunk) => void streams.get(from)?.write(chunk),
    async ask(from, ask, times) {
      hub.connect(SELF, from);
      const peerStream = await hub
        .network(from)
        .open(SELF, PROTOCOL, { signal: new AbortController().signal });
      streams.set(from, peerStream);
      const stream = createMessageStream(peerStream, { maxBytes: 64 * 1024 });
      let replies = 0;
      stream.onMessage((bytes) => {
        if (decodeReply(bytes) !== undefined) replies += 1;
      });
      for (let i = 1; i <= times; i += 1) {
        stream.send(encodeAsk({ i, board: 'jobs', key: 'k', ask }));
      }
      await calm(300);
      return () => replies;
    },
  };
}

it('questions that nobody with a right asks cost little, are told of, and hold up who asks alone', async () => {
  const bench = makeBench((peer) => (peer === EVE ? undefined : DONE));
  await bench.ask(EVE, QUESTION, 3000);
  const asked = bench.answered.get(EVE) ?? 0;
  expect(asked).toBeGreaterThanOrEqual(50);
  expect(asked).toBeLessThan(200);
  const told = bench.hub.reported.filter(({ peer, what }) => peer === EVE && what === 'boards');
  expect([told.length > 0, bench.hub.reported.length]).toEqual([true, told.length]);
  const replies = await bench.ask(BOB, REQUEST, 200);
  expect(replies()).toBe(200);
  // So many a second from then on, and no more at once.
  bench.clock.advance(20_000);
  await calm(300);
  expect((bench.answered.get(EVE) ?? 0) - asked).toBeLessThan(400);
});

it('requests of one who has the right are done a thousand at once, and five hundred a second then', async () => {
  const bench = makeBench(() => DONE);
  const replies = await bench.ask(EVE, REQUEST, 4000);
  await calm(2000);
  const first = replies();
  expect(first).toBeGreaterThanOrEqual(1000);
  expect(first).toBeLessThan(1200);
  for (let tenth = 0; tenth < 20; tenth += 1) {
    bench.clock.advance(100);
    await calm(200);
  }
  expect(replies() - first).toBeGreaterThan(700);
  expect(replies() - first).toBeLessThan(1300);
  expect(bench.hub.reported).toEqual([]);
});

it('questions by another set, which cost their asker no right, are bounded as requests are', async () => {
  const bench = makeBench(() => ({ t: 'behind' }));
  await bench.ask(EVE, { ...QUESTION, to: { set: 99, disk: '' } }, 4000);
  await calm(2000);
  expect(bench.answered.get(EVE)).toBeGreaterThanOrEqual(1000);
  expect(bench.answered.get(EVE)).toBeLessThan(1200);
});

it('long questions are read as far as their bytes allow, whoever asks', async () => {
  const bench = makeBench(() => DONE);
  const of = Array.from({ length: 100 }, (_, at) => [`${at}`.padEnd(500, 'k'), undefined] as const);
  await bench.ask(EVE, { t: 'same', of, to: { set: 0, disk: '' } }, 800);
  await calm(1000);
  const sent = encodeAsk({
    i: 1,
    board: 'jobs',
    key: 'k',
    ask: { t: 'same', of, to: { set: 0, disk: '' } },
  }).length;
  const read = (bench.answered.get(EVE) ?? 0) * sent;
  expect([sent > 40_000, read > 7_000_000, read < 9_000_000]).toEqual([true, true, true]);
  const replies = await bench.ask(BOB, REQUEST, 5);
  expect(replies()).toBe(5);
});

it('what replicas ask each other costs what it costs the one who is asked, and who asks for more waits and is told of', async () => {
  const bench = makeBench((_, spend) => {
    spend(1000);
    return DONE;
  });
  const replies = await bench.ask(REPLICA, QUESTION, 3000);
  await calm(2000);
  const first = replies();
  expect(first).toBeGreaterThanOrEqual(130);
  // And those that were under way.
  expect(first).toBeLessThan(131 + 64);
  const told = bench.hub.reported.length;
  expect([told > 0, told <= 10]).toEqual([true, true]);
  expect(new Set(bench.hub.reported.map(({ peer, what }) => `${peer} ${what}`))).toEqual(
    new Set([`${REPLICA} boards`]),
  );
  // Others have their turn meanwhile.
  const others = await bench.ask(BOB, REQUEST, 100);
  expect(others()).toBe(100);
  for (let tenth = 0; tenth < 20; tenth += 1) {
    bench.clock.advance(100);
    await calm(100);
  }
  // 64 a second, after what was under way is paid for.
  expect(replies() - first).toBeLessThan(2 * 64 + 64);
});

it('a replica whose questions cost more than it has is heard again by a clock that was set back by an hour', async () => {
  const bench = makeBench((_, spend) => {
    spend(1000);
    return DONE;
  });
  await bench.ask(REPLICA, QUESTION, 1);
  bench.setBack(3_600_000);
  const replies = await bench.ask(REPLICA, QUESTION, 3000);
  await calm(2000);
  const first = replies();
  expect(first).toBeLessThan(132 + 64);
  for (let tenth = 0; tenth < 40; tenth += 1) {
    bench.clock.advance(100);
    await calm(100);
  }
  // Nearly as many as by a right clock.
  expect(replies() - first).toBeGreaterThan(2 * 64);
  expect(replies() - first).toBeLessThan(4 * 64 + 64);
});

it('what replicas ask each other is not counted, as long as it costs no more than memory', async () => {
  const bench = makeBench(() => DONE);
  const replies = await bench.ask(REPLICA, REQUEST, 3000);
  await calm(3500);
  expect([replies(), bench.hub.reported]).toEqual([3000, []]);
});

it('of many requests in one chunk few are done at once, and all in their turn', async () => {
  const done: (() => void)[] = [];
  const bench = makeBench(() => new Promise((resolve) => done.push(() => resolve(DONE))));
  const replies = await bench.ask(EVE, REQUEST, 0);
  const frames = Array.from({ length: 300 }, (_, i) => {
    const message = encodeAsk({ i: i + 1, board: 'jobs', key: 'k', ask: REQUEST });
    return Buffer.concat([encodeLength(message.length), message]);
  });
  bench.write(EVE, Buffer.concat(frames));
  await calm(300);
  expect(done).toHaveLength(8);
  for (let at = 0; at < 300; at += 1) {
    done[at]?.();
    await calm(4);
  }
  await calm(300);
  expect([replies(), done.length]).toEqual([300, 300]);
});
