/** Entries that are stamped ahead of a node's clock: they wait for their time, and nobody makes much of them wait. */
import { expect, it } from 'vitest';
import { createDocument } from '../../../src/blackboard/document/document.ts';
import { encodeGossip } from '../../../src/blackboard/sync/codec.ts';
import { LIMITS } from '../../../src/blackboard/limits.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import { contentOf, makeDocument, makeMesh, openBoard } from '../support.ts';
import type { LooseDocument } from '../support.ts';

const AHEAD = 'did:key:ahead' as Did;
const HOUR_MS = 3_600_000;

function aheadBy(ms: number, now: () => number, self = AHEAD): LooseDocument {
  return makeDocument([], {}, { self, now: () => now() + ms });
}

it('an entry from the future is there when its time has come, and the rest of its lane then', () => {
  let now = 1_000_000;
  const ahead = aheadBy(200_000, () => now);
  const bob = makeDocument([], {}, { now: () => now });
  ahead.set({ key: 'k', value: 1 });
  const late: Uint8Array[] = [];
  ahead.onUpdate((update) => late.push(update));
  expect(bob.take(ahead.diff(bob.vector()))).toEqual(['early']);
  // What follows waits with it: it is not asked for as something that is missing.
  ahead.set({ key: 'l', value: 2 });
  expect([bob.take(late), bob.isWaiting]).toEqual([['early'], false]);
  // What comes again takes no more room.
  bob.take(ahead.diff(bob.vector()));
  bob.bringDue();
  expect([contentOf(bob), bob.early?.nextAt]).toEqual([{}, 1_140_000]);
  now += 140_001;
  bob.bringDue();
  expect([contentOf(bob), bob.early]).toEqual([{ k: 1, l: 2 }, undefined]);
  expect(bob.digest()).toBe(ahead.digest());
});

it('an entry that is stamped more than a day ahead is refused, as no clock is off so far', () => {
  const now = 1_000_000;
  const ahead = aheadBy(25 * HOUR_MS, () => now);
  const bob = makeDocument([], {}, { now: () => now });
  ahead.set({ key: 'k', value: 1 });
  expect([bob.take(ahead.diff(bob.vector())), bob.early]).toEqual([['malformed'], undefined]);
});

it('a writer who sends early entries without end fills a share only, and others’ early entries wait beside', () => {
  let now = 1_000_000;
  const bob = makeDocument([], {}, { now: () => now });
  const results: string[] = [];
  const flood = aheadBy(HOUR_MS, () => now);
  flood.onUpdate((update) => results.push(bob.apply(update)));
  for (let n = 0; n < 200; n += 1) flood.set({ key: `k${n}`, value: 'x'.repeat(1000) });
  expect(results.filter((one) => one === 'early').length).toBe(64);
  expect(results.filter((one) => one === 'crowded').length).toBe(136);
  const other = aheadBy(HOUR_MS, () => now, 'did:key:other' as Did);
  other.set({ key: 'other', value: 1 });
  expect(bob.take(other.diff(bob.vector()))).toEqual(['early']);
  now += HOUR_MS;
  bob.bringDue();
  expect([bob.get('other')?.value, bob.size]).toEqual([1, 65]);
  // What was left out is missing as anything else is, and comes with a sync.
  bob.take(flood.diff(bob.vector()));
  expect(bob.size).toBe(201);
});

it('one that sends early entries under many names leaves room for those of others', () => {
  let now = 1_000_000;
  const bob = makeDocument([], {}, { now: () => now });
  for (let name = 0; name < 20; name += 1) {
    const flood = aheadBy(HOUR_MS, () => now, `did:key:made${name}` as Did);
    flood.onUpdate((update) => bob.apply(update));
    for (let n = 0; n < 64; n += 1) flood.set({ key: `${name}/${n}`, value: n });
  }
  expect(bob.early?.count).toBe(1024);
  const other = aheadBy(HOUR_MS, () => now, 'did:key:other' as Did);
  other.set({ key: 'other', value: 1 });
  expect(bob.take(other.diff(bob.vector()))).toEqual(['early']);
  expect(bob.early?.count).toBe(1024);
  now += HOUR_MS;
  bob.bringDue();
  expect([bob.get('other')?.value, bob.size]).toEqual([1, 1024]);
});

it('a writer without the right makes nothing wait', () => {
  const now = 1_000_000;
  const ahead = aheadBy(HOUR_MS, () => now);
  const access = {
    hasCuts: false,
    limitOf: () => Number.POSITIVE_INFINITY,
    mayBegin: () => true,
    mayWriteIn: () => false,
    mayWriteSome: () => true,
    mayAdopt: () => false,
  };
  const init = { limits: LIMITS, self: 'did:key:b' as Did, now: () => now, access };
  const bob = createDocument(init);
  ahead.set({ key: 'k', value: 1 });
  const [piece = new Uint8Array()] = ahead.whole();
  expect([bob.apply(piece), bob.early]).toEqual(['unpermitted', undefined]);
});

it('an open board shows an early entry when its time has come, without being sent it again, and keeps it on disk', async () => {
  const clock = createTestClock();
  const table = journalTable();
  const board = await openBoard(table, { clock, self: 'did:key:b' as Did });
  const ahead = aheadBy(HOUR_MS, () => clock.now());
  ahead.set({ key: 'k', value: 1 });
  const [piece = new Uint8Array()] = ahead.whole();
  expect(await board.take(piece)).toBe('early');
  for (let minute = 0; minute < 58; minute += 1) clock.advance(60_000);
  expect(contentOf(board.document)).toEqual({});
  for (let minute = 0; minute < 2; minute += 1) clock.advance(60_000);
  await board.flushed();
  board.close();
  expect([contentOf(board.document), clock.waiting()]).toEqual([{ k: 1 }, 0]);
  const again = await openBoard(table, { clock, self: 'did:key:b' as Did });
  expect(contentOf(again.document)).toEqual({ k: 1 });
  again.close();
});

it('whose clock is off is not known, so that early entries are not held against who sends them, but a flood is', async () => {
  const mesh = await makeMesh(['A']);
  const evil = mesh.hub.network('E' as PeerId);
  mesh.hub.connect('A' as PeerId, 'E' as PeerId);
  await calm();
  const topic = evil.topic('board2');
  const ahead = aheadBy(HOUR_MS, () => mesh.clock.now(), 'did:key:E' as Did);
  const updates: Uint8Array[] = [];
  ahead.onUpdate((update) => updates.push(update));
  for (let n = 0; n < 70; n += 1) ahead.set({ key: `k${n}`, value: n });
  for (const update of updates.slice(0, 64))
    await topic.publish(encodeGossip({ board: 'b', update }));
  await calm();
  expect(mesh.hub.reported).toEqual([]);
  expect((await mesh.members[0]?.blackboard.board('b'))?.info().early?.count).toBe(64);
  for (const update of updates.slice(64)) await topic.publish(encodeGossip({ board: 'b', update }));
  await calm();
  expect(mesh.hub.reported).toEqual(
    Array.from({ length: 6 }, () => ({ by: 'A', peer: 'E', what: 'boards' })),
  );
  await mesh.stop();
});
