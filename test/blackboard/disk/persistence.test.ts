/**
 * Boards on disk. Goal: whatever was acknowledged is there after kill -9 at any moment, and a board
 * is always readable. Method: the table keeps every state that the disk was in, and each is opened.
 */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import * as Y from 'yjs';
import type { ApplyResult } from '../../../src/blackboard/document/document-types.ts';
import { encodeUpdate, encodeVector } from '../../../src/blackboard/lanes/update.ts';
import type { LanePart } from '../../../src/blackboard/lanes/update.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { StarlingError } from '../../../src/core/index.ts';
import { journalTable } from '../journal-table.ts';
import { ANN, contentOf, keepingLogger, makeDocument, openBoard } from '../support.ts';
import type { LooseDocument } from '../support.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const BOB = 'did:key:z6MkBob' as Did;

/** All of a document, as whoever has nothing of it is sent it. */
function newsOf(document: LooseDocument): readonly Uint8Array[] {
  return [...(document.diff(encodeVector([])) ?? [])];
}

describe('a board on disk', () => {
  it(
    'holds every acknowledged write at every moment, folds included',
    { timeout: 60_000 },
    async () => {
      const table = journalTable();
      const board = await openBoard(table);
      const peer = makeDocument([], {}, { self: BOB });
      const fromPeer: Uint8Array[] = [];
      peer.onUpdate((update) => fromPeer.push(update));
      /** What was acknowledged, and how many writes were durable then. */
      const moments = [{ durable: 0, content: {} as Record<string, unknown> }];
      for (let i = 0; i < 700; i++) {
        if (i % 5 === 3) await board.delete(`k${(i * 7) % 23}`);
        else if (i % 5 === 4) {
          peer.set({ key: `p${i % 11}`, value: i });
          for (const update of fromPeer.splice(0)) await board.take(update);
        } else await board.set(`k${i % 23}`, { i, text: 'x'.repeat(i % 40) });
        moments.push({ durable: table.journal.length, content: contentOf(board.document) });
      }
      const { journal } = table;
      expect(journal.filter((batch) => batch.length > 1).length).toBeGreaterThan(0);
      for (let durable = 0; durable <= journal.length; durable++) {
        // Opening all would take a minute; around folds every one is looked at.
        const isNearFold = journal
          .slice(Math.max(0, durable - 3), durable + 3)
          .some((b) => b.length > 1);
        if (durable % 29 !== 0 && !isNearFold) continue;
        const next = moments.findIndex((moment) => moment.durable > durable);
        const last = moments.at(next === -1 ? -1 : next - 1)?.content;
        const reopened = contentOf((await openBoard(table.at(durable))).document);
        // What was acknowledged is there; what was just being written may be.
        expect([last, moments[next]?.content]).toContainEqual(reopened);
      }
    },
  );

  it('acknowledges a write only when it is on disk', async () => {
    const table = journalTable();
    const board = await openBoard(table);
    const release = table.hold();
    let isDone = false;
    const writing = board.set('k', 1).then(() => (isDone = true));
    await calm(5);
    expect([isDone, table.journal.length]).toEqual([false, 0]);
    expect(contentOf(board.document)).toEqual({});
    expect(board.document.isBlank).toBe(true);
    release();
    await writing;
    expect(table.journal.length).toBe(1);
    expect(contentOf(board.document)).toEqual({ k: 1 });
  });

  it('keeps all in few rows however often it is written', async () => {
    const table = journalTable();
    const board = await openBoard(table);
    for (let i = 0; i < 3000; i++) {
      await board.set(`k${i % 10}`, i);
      expect(table.rows.size).toBeLessThanOrEqual(503);
    }
    await board.flushed();
    const reopened = await openBoard(table);
    expect(contentOf(reopened.document)).toEqual(contentOf(board.document));
    expect(reopened.document.digest()).toBe(board.document.digest());
  });

  it('folds what is long in bytes, too', async () => {
    const table = journalTable();
    const board = await openBoard(table);
    for (let i = 0; i < 40; i++) await board.set('k', 'x'.repeat(40_000));
    await board.flushed();
    expect(table.rows.size).toBeLessThan(20);
    expect((await openBoard(table)).document.get('k')?.value).toHaveLength(40_000);
  });

  it('is written once as it comes to a newcomer, and folded when much of it was overwritten', async () => {
    const far = makeDocument([], {}, { self: BOB });
    const value = 'x'.repeat(20_000);
    for (let at = 0; at < 120; at += 1) far.set({ key: `k${at}`, value: `${at}${value}` });
    const table = journalTable();
    const board = await openBoard(table);
    const pieces = newsOf(far);
    for (const piece of pieces) await board.take(piece);
    expect(contentOf(board.document)).toEqual(contentOf(far));
    // Over two megabytes, and no row of it was written twice.
    expect(table.journal.map((batch) => batch.length)).toEqual(pieces.map(() => 1));
    const news: Uint8Array[] = [];
    far.onUpdate((update) => news.push(update));
    for (let at = 0; at < 90; at += 1) far.set({ key: `k${at}`, value: `again ${at}${value}` });
    for (const update of news) await board.take(update);
    expect(table.journal.filter((batch) => batch.length > 1)).toHaveLength(1);
    expect(contentOf((await openBoard(table)).document)).toEqual(contentOf(far));
  });

  it('leaves no trace of a write that the disk refused, here, on disk, and for whoever watches', async () => {
    const logger = keepingLogger();
    const table = journalTable();
    const heard: unknown[] = [];
    const published: LanePart[] = [];
    const board = await openBoard(table, { logger, heard, published });
    await board.set('a', 1);
    const before = board.document.digest();
    table.failures = 3;
    await expect(board.set('b', 2)).rejects.toThrow('no space left');
    await expect(board.set('a', 3)).rejects.toThrow('no space left');
    await expect(board.delete('a')).rejects.toThrow('no space left');
    expect(contentOf(board.document)).toEqual({ a: 1 });
    expect(board.document.digest()).toBe(before);
    await board.set('d', 4);
    expect(contentOf(board.document)).toEqual({ a: 1, d: 4 });
    expect(contentOf((await openBoard(table)).document)).toEqual({ a: 1, d: 4 });
    expect(heard).toHaveLength(2);
    expect(published).toHaveLength(2);
    const told = encodeUpdate({ isWhole: false, parts: published });
    expect(contentOf(makeDocument([told]))).toEqual({ a: 1, d: 4 });
    expect(logger.lines).toEqual(['board not written to disk']);
  });

  it('shows what a peer sent only when it is on disk, to readers, watchers and peers alike', async () => {
    const table = journalTable();
    const heard: unknown[] = [];
    const board = await openBoard(table, { heard });
    const peer = makeDocument([], {}, { self: BOB });
    peer.set({ key: 'a', value: 1 });
    const before = [board.document.digest(), board.document.vector(), board.document.seen()];
    const release = table.hold();
    const taking = [...peer.whole()].map((piece) => board.take(piece));
    await calm(5);
    expect([contentOf(board.document), heard, table.journal]).toEqual([{}, [], []]);
    expect([board.document.digest(), board.document.vector(), board.document.seen()]).toEqual(
      before,
    );
    expect([board.isIdle, board.document.isBlank]).toEqual([false, true]);
    release();
    expect(await Promise.all(taking)).toEqual(['applied']);
    expect([contentOf(board.document), heard.length]).toEqual([{ a: 1 }, 1]);
    expect(contentOf((await openBoard(table)).document)).toEqual({ a: 1 });
  });

  it('writes what comes in one tick with one sync, its own and what peers sent', async () => {
    const table = journalTable();
    const board = await openBoard(table);
    const peer = makeDocument([], {}, { self: BOB });
    const taking: Promise<ApplyResult>[] = [];
    for (let i = 0; i < 20; i += 1) {
      const vector = peer.vector();
      peer.set({ key: `k${i}`, value: i });
      for (const piece of peer.diff(vector) ?? []) taking.push(board.take(piece));
    }
    await Promise.all([board.set('own', 1), ...taking]);
    expect(table.journal).toHaveLength(1);
    const reopened = (await openBoard(table)).document;
    expect(contentOf(reopened)).toMatchObject({ own: 1, k0: 0, k19: 19 });
    expect(reopened.digest()).toBe(board.document.digest());
    // What brings nothing new is not written again.
    for (const piece of newsOf(peer)) expect(await board.take(piece)).toBe('applied');
    expect(table.journal).toHaveLength(1);
  });

  it('leaves out what a peer sent where the disk refuses it, and takes it when it is sent again', async () => {
    const table = journalTable();
    const clock = createTestClock();
    const heard: unknown[] = [];
    const board = await openBoard(table, { clock, heard });
    const peer = makeDocument([], {}, { self: BOB });
    peer.set({ key: 'a', value: 1 });
    const [piece = new Uint8Array()] = newsOf(peer);
    table.failures = 1;
    expect(await board.take(piece)).toBe('unwritten');
    // Nobody waits for a disk that fails; what it may have of that is taken out a moment later.
    expect(await board.take(piece)).toBe('unwritten');
    expect([contentOf(board.document), heard]).toEqual([{}, []]);
    clock.advance(1000);
    await calm(5);
    expect(await board.take(piece)).toBe('applied');
    expect(contentOf((await openBoard(table)).document)).toEqual({ a: 1 });
    board.close();
    expect(await board.take(piece)).toBe('applied');
    peer.set({ key: 'b', value: 1 });
    expect(await board.take(newsOf(peer)[0] ?? piece)).toBe('unwritten');
    expect(clock.waiting()).toBe(0);
  });

  it('judges what stands in the log as a peer sent it again at a start, by what counted when it came', async () => {
    const table = journalTable();
    const clock = createTestClock();
    const board = await openBoard(table, { clock });
    const now = clock.now();
    const [ahead, early] = [50_000, 120_000].map((ms) => {
      const peer = makeDocument([], {}, { self: BOB, now: () => now + ms });
      peer.set({ key: `in ${ms}`, value: ms });
      return peer;
    });
    for (const piece of ahead?.whole() ?? []) expect(await board.take(piece)).toBe('applied');
    for (const piece of early?.whole() ?? []) expect(await board.take(piece)).toBe('early');
    // Set back by an hour: what counted counts, and what is early still is.
    const back = createTestClock(now - 3_600_000);
    const reopened = await openBoard(table, { clock: back });
    expect(contentOf(reopened.document)).toEqual({ 'in 50000': 50_000 });
    reopened.close();
    // A board that is folded keeps what waits for its time as well.
    const folded = await openBoard(table, { clock });
    for (let i = 0; i < 600; i += 1) await folded.set('k', i);
    await folded.flushed();
    folded.close();
    const last = await openBoard(table, { clock });
    clock.advance(61_000);
    expect(contentOf(last.document)).toMatchObject({ 'in 120000': 120_000, k: 599 });
    last.close();
  });

  it('writes what comes together together, and tells of each key once', async () => {
    const table = journalTable();
    const heard: unknown[][] = [];
    const board = await openBoard(table, { heard });
    const done = await Promise.all([
      board.set('a', 1),
      board.set('b', 1),
      board.set('a', 2),
      board.delete('b'),
      board.delete('c'),
      board.set('c', 1),
    ]);
    expect(done.slice(3, 5)).toEqual([true, false]);
    expect(table.journal).toHaveLength(1);
    expect(contentOf(board.document)).toEqual({ a: 2, c: 1 });
    expect(heard.map((changes) => changes.length)).toEqual([2]);
  });

  it('stays readable without a damaged row, and says so', async () => {
    const logger = keepingLogger();
    const table = journalTable();
    const board = await openBoard(table);
    const other = makeDocument([], {}, { self: BOB });
    await board.set('a', 1);
    // This one can't be read without the one before.
    await board.set('b', 1);
    other.set({ key: 'o', value: 1 });
    for (const piece of other.whole()) await board.take(piece);
    const [first = ''] = [...table.rows.keys()];
    table.rows.set(first, Uint8Array.from([255, 255, 255]));
    const reopened = await openBoard(table, { logger });
    expect(contentOf(reopened.document)).toEqual({ o: 1 });
    expect(reopened.document.isWaiting).toBe(false);
    expect(logger.lines).toEqual(['rows of a board are damaged; peers will send what they held']);
    await reopened.set('a', 2);
    expect(contentOf((await openBoard(table)).document)).toEqual({ o: 1, a: 2 });
  });

  it('is written in a lane of its own after each start, and few lanes are left of many starts', async () => {
    const table = journalTable();
    const lanes: number[] = [];
    for (let i = 0; i < 12; i++) {
      const board = await openBoard(table);
      await board.set('k', i);
      await board.flushed();
      lanes.push(board.document.seen().length);
    }
    expect([lanes.slice(0, 4), Math.max(...lanes)]).toEqual([[1, 2, 3, 4], 4]);
    const reopened = await openBoard(table);
    expect(reopened.document.get('k')).toMatchObject({ value: 11, clock: { [ANN]: 12 } });
  });

  it('has what peers send on disk and in reach in the turn in which it comes, all of it in one write', async () => {
    const table = journalTable();
    const board = await openBoard(table);
    const others = [BOB, 'did:key:z6MkEve' as Did].map((self) => makeDocument([], {}, { self }));
    others.forEach((other, at) => other.set({ key: `k${at}`, value: at }));
    let turns = 0;
    setImmediate(() => {
      turns += 1;
    });
    // On a busy machine two pieces may take more than a slice.
    const still = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => still.mockRestore());
    const pieces = others.flatMap((other) => newsOf(other));
    await Promise.all(pieces.map((piece) => board.take(piece)));
    expect([turns, table.journal.length]).toEqual([0, 1]);
    expect(contentOf(board.document)).toEqual({ k0: 0, k1: 1 });
  });

  it.each([false, true])(
    'leaves no lane behind each time that the disk refuses a write (which it keeps all the same: %s)',
    async (keepsFailed) => {
      const table = journalTable();
      table.keepsFailed = keepsFailed;
      const published: LanePart[] = [];
      const clock = createTestClock();
      const board = await openBoard(table, { clock, published });
      for (let i = 0; i < 100; i++) {
        table.failures = 1;
        await expect(board.set('k', -i)).rejects.toThrow('no space left');
        await board.set('k', i);
        expect(board.document.get('k')).toMatchObject({ value: i });
      }
      expect(board.document.seen().length).toBe(1);
      // Whoever hears of it has the same, and so has who reads the disk.
      const other = makeDocument([], {}, { self: BOB, now: () => clock.now() });
      other.take(published.map((part) => encodeUpdate({ isWhole: false, parts: [part] })));
      const reopened = await openBoard(table, { clock });
      expect([contentOf(other), contentOf(reopened.document)]).toEqual([{ k: 99 }, { k: 99 }]);
      expect(reopened.document.digest()).toBe(other.digest());
    },
  );

  it('ends entries when their time is over, tells watchers, and forgets nothing else', async () => {
    const table = journalTable();
    const clock = createTestClock();
    const heard: unknown[] = [];
    const board = await openBoard(table, { clock, heard });
    await board.set('short', 1, { ttlMs: 5000 });
    await board.set('long', 2, { ttlMs: 60_000 });
    await board.set('ever', 3);
    const digest = board.document.digest();
    clock.advance(5001);
    expect(contentOf(board.document)).toEqual({ long: 2, ever: 3 });
    expect(heard.at(-1)).toEqual([{ key: 'short' }]);
    expect(board.document.digest()).toBe(digest);
    expect(contentOf((await openBoard(table, { clock })).document)).toEqual({ long: 2, ever: 3 });
    await expect(board.set('k', 1, { ttlMs: -1 })).rejects.toThrow('time to live');
    board.close();
    expect(clock.waiting()).toBe(1);
  });
});

describe('a board of a version before lanes', () => {
  /** Rows as commit 6fb304d wrote them: one for each write, or one for all. */
  function oldRows(isFolded: boolean): readonly Uint8Array[] {
    const doc = new Y.Doc();
    const rows: Uint8Array[] = [];
    doc.on('updateV2', (update: Uint8Array) => rows.push(update));
    const map = doc.getMap('entries');
    for (let i = 0; i < 300; i++) {
      map.set(`k${i % 20}`, { v: { i, text: 'é' }, by: 'did:key:z6MkBob', at: 1000 + i });
      if (i % 7 === 0) map.delete(`k${(i * 3) % 20}`);
    }
    return isFolded ? [Y.encodeStateAsUpdateV2(doc)] : rows;
  }

  it.each([true, false])(
    'is taken over with all its live entries (folded: %s)',
    async (isFolded) => {
      const values = oldRows(isFolded);
      const doc = new Y.Doc();
      for (const value of values) Y.applyUpdateV2(doc, value);
      const old = Object.entries(doc.getMap('entries').toJSON()) as [string, { v: Json }][];
      const table = journalTable();
      await table.batch(
        values.map((value, i) => ({ key: `b/${String(i).padStart(12, '0')}`, value })),
      );
      const board = await openBoard(table);
      const wanted = Object.fromEntries(old.map(([key, { v }]) => [key, v]));
      expect(Object.keys(wanted).length).toBeGreaterThan(10);
      expect(contentOf(board.document)).toEqual(wanted);
      const [entry] = board.document.entries('');
      expect(entry).toMatchObject({ by: 'did:key:z6MkBob', via: ANN });
      expect(entry?.at).toBeLessThan(1300);
      await board.set('new', 1);
      await board.flushed();
      // Nothing of the old form is left, and a second start has the same.
      expect([...table.rows.values()].filter((value) => value[0] === 0)).toEqual([]);
      expect(contentOf((await openBoard(table)).document)).toEqual({ ...wanted, new: 1 });
    },
  );

  it('is as it was when the node dies before that is on disk, and equal at all who take it over', async () => {
    const table = journalTable();
    await table.batch(oldRows(true).map((value) => ({ key: 'b/000000000000', value })));
    table.failures = 1000;
    const [one, two] = [await openBoard(table), await openBoard(table)];
    await calm(5);
    expect([...table.rows.values()].map((value) => value[0])).toEqual([0]);
    for (const piece of two.document.diff(one.document.vector()) ?? []) one.document.apply(piece);
    for (const piece of one.document.diff(two.document.vector()) ?? []) two.document.apply(piece);
    expect(one.document.digest()).toBe(two.document.digest());
    one.close();
    two.close();
  });
});

describe('a board refuses', () => {
  const refused = async (write: () => Promise<unknown>): Promise<string> => {
    try {
      await write();
      return 'nothing';
    } catch (error) {
      expect(error).toBeInstanceOf(StarlingError);
      return error instanceof StarlingError ? `${error.code}: ${error.message}` : '';
    }
  };

  it('keys that are empty, too long, or no text', async () => {
    const board = await openBoard(journalTable());
    for (const key of ['', 'k'.repeat(513), 'ä'.repeat(257), '\ud800']) {
      expect(await refused(() => board.set(key, 1))).toContain('STARLING_BOARD_INVALID: the key');
    }
    await board.set('k'.repeat(512), 1);
    expect(board.document.size).toBe(1);
  });

  it('values that others would not read back the same', async () => {
    const board = await openBoard(journalTable());
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const nested = JSON.parse('['.repeat(66) + ']'.repeat(66)) as unknown;
    const evil = JSON.parse('{"a":{"__proto__":1}}') as unknown;
    const values = [
      undefined,
      loop,
      1n,
      nested,
      evil,
      '\udc00',
      { '\ud83d': 1 },
      'x'.repeat(262_144),
    ];
    for (const value of values) {
      expect(await refused(() => board.set('k', value))).toContain('STARLING_BOARD_INVALID');
    }
    expect(board.document.isBlank).toBe(true);
    await board.set('k', 'x'.repeat(262_142));
  });

  it('keeps its own copy of a value', async () => {
    const board = await openBoard(journalTable());
    const value = { list: [1] };
    await board.set('k', value);
    value.list.push(2);
    expect(board.document.get('k')?.value).toEqual({ list: [1] });
  });

  it('more keys than its limit, but not a new value for one that there is', async () => {
    const board = await openBoard(journalTable(), { limits: { keys: 3 } });
    for (const key of ['a', 'b', 'c']) await board.set(key, 1);
    expect(await refused(() => board.set('d', 1))).toContain('holds 3 keys');
    await board.set('a', 2);
    await board.delete('b');
    await board.set('d', 1);
    expect(Object.keys(contentOf(board.document))).toEqual(['a', 'c', 'd']);
  });

  it('more bytes than its limit, and takes new ones once some are deleted', async () => {
    const limits = { boardBytes: 400_000 };
    const board = await openBoard(journalTable(), { limits });
    const value = 'x'.repeat(40_000);
    for (let i = 0; i < 9; i++) await board.set(`k${i}`, value);
    expect(await refused(() => board.set('k9', value))).toContain('holds 400000 bytes');
    for (let i = 0; i < 9; i++) await board.delete(`k${i}`);
    await board.set('k9', value);
    expect(board.document.size).toBe(1);
  });

  it('what peers send beyond twice its size', async () => {
    const board = await openBoard(journalTable(), { limits: { boardBytes: 100_000 } });
    const sentBy = async (self: Did, count: number): Promise<readonly ApplyResult[]> => {
      const other = makeDocument([], {}, { self });
      const updates: Uint8Array[] = [];
      other.onUpdate((update) => updates.push(update));
      for (let i = 0; i < count; i++) {
        other.set({ key: `${self}-${i}`, value: 'x'.repeat(40_000) });
      }
      const results: ApplyResult[] = [];
      for (const update of updates) results.push(await board.take(update));
      return results;
    };
    // One writer fills three quarters of that.
    expect(await sentBy(BOB, 4)).toEqual(['applied', 'applied', 'applied', 'full']);
    expect(await sentBy('did:key:z6MkCyd' as Did, 3)).toEqual(['applied', 'full', 'full']);
  });
});
