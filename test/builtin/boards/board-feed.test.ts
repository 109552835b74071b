/** Watches of boards: nothing is missed in between, and nothing is kept for nobody. */
import { describe, expect, it } from 'vitest';
import type { Board, BoardChange, BoardEntry } from '../../../src/blackboard/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { StarlingError } from '../../../src/core/index.ts';
import { createBoardFeeds } from '../../../src/builtin/boards/board-feed.ts';
import type { BoardFeeds } from '../../../src/builtin/boards/board-feed.ts';
import type { BoardWatchResult } from '../../../src/builtin/results.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const MINUTE_MS = 60_000;
const entryOf = (key: string): BoardEntry => ({
  key,
  value: 1,
  by: 'did:key:z' as Did,
  at: 0,
  clock: {},
});

interface Bench {
  readonly feeds: BoardFeeds;
  readonly clock: TestClock;
  /** Listeners on boards, of all names. */
  readonly watchers: Map<string, (changes: readonly BoardChange[]) => void>;
  readonly entries: BoardEntry[];
  /** Changes these keys of a board. */
  change(board: string, ...keys: string[]): void;
  watch(board: string, cursor?: string, more?: Partial<WatchInit>): Promise<BoardWatchResult>;
}

interface WatchInit {
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const nobody = (): never => {
  throw new Error('nobody asks for this');
};
/** What a feed asks of no board. */
const UNUSED = {
  tombstone: nobody,
  info: nobody,
  create: nobody,
  drop: nobody,
  history: nobody,
  undo: nobody,
  token: nobody,
  reach: nobody,
  may: nobody,
  grant: nobody,
  revoke: nobody,
  replicas: nobody,
  changeReplicas: nobody,
  isOpen: true,
  isStrong: false,
  strong: nobody,
};

function benchOf(): Bench {
  const clock = createTestClock();
  const watchers: Bench['watchers'] = new Map();
  const entries: BoardEntry[] = [];
  const board = async (name: string): Promise<Board> => ({
    ...UNUSED,
    name,
    id: name,
    hold: () => Promise.resolve(),
    get: () => undefined,
    set: () => Promise.reject(new Error('nobody writes here')),
    delete: () => Promise.resolve(false),
    entries: () => entries,
    digest: () => '',
    watch(listener) {
      watchers.set(name, listener);
      return () => void watchers.delete(name);
    },
  });
  const feeds = createBoardFeeds({ blackboard: { board }, clock });
  return {
    feeds,
    clock,
    watchers,
    entries,
    change(name, ...keys) {
      watchers.get(name)?.(keys.map((key) => ({ key, entry: entryOf(key) })));
    },
    watch: (name, cursor, more = {}) =>
      feeds.after({
        board: name,
        prefix: '',
        cursor,
        timeoutMs: 0,
        signal: new AbortController().signal,
        ...more,
      }),
  };
}

const keys = ({ changes }: BoardWatchResult): string[] => changes.map(({ key }) => key);
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof StarlingError ? error.code : error),
  );
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a watch of a board', () => {
  it('keeps no more of large values than a bound: an older cursor gets every entry anew', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    const value = 'x'.repeat(200_000);
    const large = (key: string): { key: string; entry: BoardEntry } => {
      return { key, entry: { ...entryOf(key), value } };
    };
    for (let i = 0; i < 30; i++) bench.watchers.get('plan')?.([large(`k${i}`)]);
    bench.entries.push(entryOf('all'));
    expect(keys(await bench.watch('plan', cursor))).toEqual(['all']);
    const { cursor: later } = await bench.watch('plan');
    bench.watchers.get('plan')?.([large('a'), large('b')]);
    expect(keys(await bench.watch('plan', later))).toEqual(['a', 'b']);
  });

  it('gives each change once, by the cursor of the answer before', async () => {
    const bench = benchOf();
    const first = await bench.watch('plan');
    expect(keys(first)).toEqual([]);
    bench.change('plan', 'a', 'b');
    const second = await bench.watch('plan', first.cursor);
    expect(keys(second)).toEqual(['a', 'b']);
    expect(keys(await bench.watch('plan', second.cursor))).toEqual([]);
    bench.change('plan', 'c', 'other');
    expect(keys(await bench.watch('plan', second.cursor, { prefix: 'c' }))).toEqual(['c']);
  });

  it('waits for a change, and no longer than it was told to', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    const waiting = bench.watch('plan', cursor, { timeoutMs: MINUTE_MS });
    await settle();
    bench.change('plan', 'a');
    expect(keys(await waiting)).toEqual(['a']);
    const empty = bench.watch('plan', (await waiting).cursor, { timeoutMs: MINUTE_MS });
    await settle();
    bench.clock.advance(MINUTE_MS);
    expect(keys(await empty)).toEqual([]);
  });

  it('with a cursor that is too old gets every entry anew', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    bench.entries.push(entryOf('now'));
    for (let n = 0; n <= 1000; n += 1) bench.change('plan', `k${n}`);
    expect(keys(await bench.watch('plan', cursor))).toEqual(['now']);
  });

  it('refuses what is no cursor', async () => {
    const bench = benchOf();
    for (const cursor of ['', 'x', '.', 'a.B', '1.2.3']) {
      expect(await codeOf(bench.watch('plan', cursor))).toBe('STARLING_USAGE');
    }
  });
});

describe('a board that nobody watches any more', () => {
  it('is listened to no more after ten minutes, and not before', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    bench.clock.advance(9 * MINUTE_MS);
    bench.change('plan', 'a');
    expect(keys(await bench.watch('plan', cursor))).toEqual(['a']);
    bench.clock.advance(9 * MINUTE_MS);
    expect([...bench.watchers.keys()]).toEqual(['plan']);
    bench.clock.advance(MINUTE_MS);
    expect([bench.watchers.size, bench.feeds.size, bench.clock.waiting()]).toEqual([0, 0, 0]);
  });

  it('keeps its feed while somebody waits, however long', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    const waiting = bench.watch('plan', cursor, { timeoutMs: 60 * MINUTE_MS });
    await settle();
    bench.clock.advance(59 * MINUTE_MS);
    bench.change('plan', 'late');
    expect(keys(await waiting)).toEqual(['late']);
  });

  it('takes a cursor of the feed before for what it is', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    bench.clock.advance(10 * MINUTE_MS);
    expect(bench.feeds.size).toBe(0);
    await bench.watch('plan');
    bench.change('plan', 'a');
    bench.entries.push(entryOf('all'));
    expect(keys(await bench.watch('plan', cursor))).toEqual(['all']);
  });
});

describe('watches of many boards', () => {
  it('cost no more than 256 listeners: the one asked longest ago is given up', async () => {
    const bench = benchOf();
    for (let n = 0; n < 1000; n += 1) await bench.watch(`board${n}`);
    expect([bench.watchers.size, bench.feeds.size]).toEqual([256, 256]);
    expect(bench.watchers.has('board999')).toBe(true);
    expect(bench.watchers.has('board743')).toBe(false);
  });

  it('are refused beyond that, while all are waited on', async () => {
    const bench = benchOf();
    const abort = new AbortController();
    const waits = await Promise.all(
      Array.from({ length: 256 }, async (_, n) => {
        const { cursor } = await bench.watch(`board${n}`);
        return { name: `board${n}`, cursor };
      }),
    );
    const more = { timeoutMs: MINUTE_MS, signal: abort.signal };
    const waiting = waits.map(({ name, cursor }) => bench.watch(name, cursor, more));
    await settle();
    expect(await codeOf(bench.watch('one-more'))).toBe('STARLING_LIMIT_EXCEEDED');
    abort.abort();
    await Promise.all(waiting);
    expect(await codeOf(bench.watch('one-more'))).toBe('ok');
  });

  it('end with the node, with all their timers', async () => {
    const bench = benchOf();
    const { cursor } = await bench.watch('plan');
    const waiting = bench.watch('plan', cursor, { timeoutMs: MINUTE_MS });
    await bench.watch('other');
    await settle();
    bench.feeds.stop();
    expect(keys(await waiting)).toEqual([]);
    expect([bench.watchers.size, bench.feeds.size, bench.clock.waiting()]).toEqual([0, 0, 0]);
  });
});
