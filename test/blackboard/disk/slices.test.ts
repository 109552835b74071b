/**
 * Long work leaves the event loop to others after 8 ms. Time stands still here but for the work: each piece of it costs as
 * much as a test says, and turns of the event loop are counted.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSlices } from '../../../src/blackboard/disk/slices.ts';
import type { Did } from '../../../src/core/index.ts';
import { journalTable } from '../journal-table.ts';
import { calm } from '../hub.ts';
import { makeDocument, makeMesh, openBoard } from '../support.ts';

const SLICE_MS = 8;
const SELF = 'did:key:z6MkBob' as Did;
/** They go to a newcomer in a dozen pieces, each of at least so many bytes. */
const ENTRIES = 6000;
const PIECE_BYTES_MIN = 4096;

let nowMs = 0;
let turn = 0;
let isOver = false;
/** Pieces of work by the turn in which they were done. */
const done = new Map<number, number>();

/** A piece of work is done, which took so long. */
function work(ms: number): void {
  nowMs += ms;
  done.set(turn, (done.get(turn) ?? 0) + 1);
}

beforeEach(() => {
  [nowMs, turn, isOver] = [0, 0, false];
  done.clear();
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const count = (): void => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
});

afterEach(() => {
  isOver = true;
  vi.restoreAllMocks();
});

/** Pieces that one turn did, at the most. */
const most = (): number => Math.max(0, ...done.values());

describe('slices', () => {
  it.each([
    [1, SLICE_MS],
    [3, 3],
    [20, 1],
  ])('of pieces of %i ms hold %i of them', async (ms, pieces) => {
    const slices = createSlices();
    for (let at = 0; at < 40; at += 1) {
      work(ms);
      await slices.next();
    }
    expect(most()).toBe(pieces);
    expect(done.size).toBe(Math.ceil(40 / pieces));
  });

  it('are what a board takes in of peers', async () => {
    const far = makeDocument([], {}, { self: SELF });
    const updates: Uint8Array[] = [];
    far.onUpdate((update) => updates.push(update));
    for (let at = 0; at < 100; at += 1) far.set({ key: `k${at}`, value: at });
    const table = journalTable();
    const board = await openBoard(table);
    const release = table.hold();
    const merge = board.document.merge.bind(board.document);
    vi.spyOn(board.document, 'merge').mockImplementation((arrival) => {
      work(1);
      return merge(arrival);
    });
    const taken = updates.map((update) => board.take(update));
    release();
    expect(new Set(await Promise.all(taken))).toEqual(new Set(['applied']));
    expect(most()).toBe(SLICE_MS);
    expect([...done.values()].reduce((sum, pieces) => sum + pieces, 0)).toBe(100);
    board.close();
  });

  it('are in which a long log is folded', async () => {
    const far = makeDocument([], {}, { self: SELF });
    const news: Uint8Array[] = [];
    far.onUpdate((update) => news.push(update));
    const value = 'x'.repeat(20_000);
    // Twice: what only grows is not folded.
    for (let at = 0; at < 160; at += 1) far.set({ key: `k${at % 80}`, value: `${at}${value}` });
    const board = await openBoard(journalTable());
    const snapshot = board.document.snapshot.bind(board.document);
    vi.spyOn(board.document, 'snapshot').mockImplementation(function* pieces() {
      for (const piece of snapshot()) {
        work(1);
        yield piece;
      }
    });
    // Once a third of it was overwritten the next write folds the log.
    for (const update of news) await board.take(update);
    await board.flushed();
    expect([...done.values()].reduce((sum, pieces) => sum + pieces, 0)).toBeGreaterThan(30);
    expect(most()).toBe(SLICE_MS);
    board.close();
  });

  it('are of 2 ms where a newcomer is sent a board: a call of the one that sends takes several turns', async () => {
    const mesh = await makeMesh(['A', 'B']);
    const [asks, sends] = mesh.members;
    const board = await sends?.blackboard.board('plan');
    if (board === undefined) throw new Error('nobody sends');
    await Promise.all(Array.from({ length: ENTRIES }, (_, i) => board.set(`key-${i}`, i)));
    done.clear();
    mesh.hub.seesChunk = ({ from }, { length }) => {
      if (from === sends?.id && length > PIECE_BYTES_MIN) work(1);
    };
    mesh.connectAll();
    const copy = await asks?.blackboard.board('plan');
    for (let at = 0; at < 3000 && copy?.info().keys !== ENTRIES; at += 1) await calm(1);
    expect(copy?.info().keys).toBe(ENTRIES);
    expect([...done.values()].reduce((sum, pieces) => sum + pieces, 0)).toBeGreaterThan(10);
    expect(most()).toBe(2);
    await mesh.stop();
  });
});
