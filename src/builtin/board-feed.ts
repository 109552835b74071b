/**
 * A bounded feed of each watched board's changes, read by cursor, so that a watcher that asks again
 * and again misses nothing in between. A cursor too old for the feed gets every entry anew.
 */
import type { Board, Blackboard, BoardChange } from '../blackboard/index.ts';
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { BoardWatchResult } from './results.ts';

/** Changes kept per board. */
const FEED_MAX = 1000;

/** A question to the feed. */
export interface FeedRequest {
  readonly board: string;
  readonly prefix: string;
  readonly cursor: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Answers watchers. */
export interface BoardFeed {
  /** Changes after the cursor, waiting for one at the most `timeoutMs`. @throws STARLING_USAGE */
  after(request: FeedRequest): Promise<BoardWatchResult>;
}

interface Feed {
  /** Distinguishes this process's cursors from those of an earlier run. */
  readonly epoch: string;
  readonly board: Board;
  /** Sequence number of `changes[0]`. */
  first: number;
  readonly changes: BoardChange[];
  readonly waiting: Set<() => void>;
}

/** Makes the feeds of one node: one per watched board, kept for as long as the node runs. */
export function createBoardFeed(components: {
  readonly blackboard: Pick<Blackboard, 'board'>;
  readonly clock: Clock;
}): BoardFeed {
  const { blackboard, clock } = components;
  const epoch = clock.now().toString(36);
  const feeds = new Map<string, Feed>();

  async function feedOf(name: string): Promise<Feed> {
    const board = await blackboard.board(name);
    const known = feeds.get(name);
    if (known !== undefined) return known;
    const feed: Feed = { epoch, board, first: 0, changes: [], waiting: new Set() };
    feeds.set(name, feed);
    board.watch((changes) => {
      feed.changes.push(...changes);
      const surplus = feed.changes.length - FEED_MAX;
      if (surplus > 0) {
        feed.changes.splice(0, surplus);
        feed.first += surplus;
      }
      for (const wake of feed.waiting) wake();
    });
    return feed;
  }

  return {
    async after(request) {
      const feed = await feedOf(request.board);
      if (request.cursor === undefined) return { changes: [], cursor: cursorOf(feed) };
      let from = positionOf(feed, request.cursor);
      if (from === undefined) {
        const entries = feed.board.entries(request.prefix);
        return {
          changes: entries.map((entry) => ({ key: entry.key, entry })),
          cursor: cursorOf(feed),
        };
      }
      const deadline = clock.now() + request.timeoutMs;
      for (;;) {
        const found = since(feed, from, request.prefix);
        const leftMs = deadline - clock.now();
        if (found.length > 0 || leftMs <= 0 || request.signal.aborted) {
          return { changes: found, cursor: cursorOf(feed) };
        }
        from = feed.first + feed.changes.length;
        await nextChange(feed, clock, leftMs, request.signal);
      }
    },
  };
}

function cursorOf(feed: Feed): string {
  return `${feed.epoch}.${(feed.first + feed.changes.length).toString(36)}`;
}

/** Where in the feed a cursor points; undefined when the feed no longer reaches back to it. */
function positionOf(feed: Feed, cursor: string): number | undefined {
  const match = /^([0-9a-z]+)\.([0-9a-z]+)$/.exec(cursor);
  if (match === null) {
    throw new StarlingError('STARLING_USAGE', `'${cursor}' is no cursor of board_watch`, {
      hint: 'leave the cursor out to get one',
    });
  }
  const position = Number.parseInt(match[2] ?? '', 36);
  const end = feed.first + feed.changes.length;
  if (match[1] !== feed.epoch || position < feed.first || position > end) return undefined;
  return position;
}

function since(feed: Feed, from: number, prefix: string): readonly BoardChange[] {
  const start = Math.max(0, from - feed.first);
  return feed.changes.slice(start).filter((change) => change.key.startsWith(prefix));
}

function nextChange(feed: Feed, clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      feed.waiting.delete(done);
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(waitMs, done);
    feed.waiting.add(done);
    signal.addEventListener('abort', done, { once: true });
  });
}
