/**
 * A bounded feed of each watched board's changes, read by cursor, so that a watcher that asks again
 * and again misses nothing in between. A cursor too old for the feed gets every entry anew. A feed
 * that nobody asks for any more is given up, and its cursors with it.
 */
import type { Board, Blackboard, BoardChange } from '../../blackboard/index.ts';
import { StarlingError, printable } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { shownChange } from './board-views.ts';
import type { BoardWatchResult } from '../results.ts';

/** Changes kept per board. */
const CHANGES_MAX = 1000;
/** Characters of their values that are kept per board, but for the newest change. */
const CHARS_MAX = 2 * 1024 * 1024;
/**
 * Boards that are watched at one time. Each costs up to {@link CHARS_MAX}, and a
 * listener on every change of the board.
 */
const FEEDS_MAX = 256;
/**
 * How long a feed is kept after the last question to it. Longer: a watcher may pause longer without being
 * told everything anew; shorter: less is kept for nobody. Twice the longest wait of `board_watch`.
 */
const IDLE_MS = 600_000;

/** A question to the feed. */
export interface FeedRequest {
  readonly board: string;
  /** Only changes of keys that start with this. */
  readonly prefix: string;
  readonly cursor: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Answers watchers. */
export interface BoardFeeds {
  /** Boards that are watched now. */
  readonly size: number;
  /**
   * Changes after the cursor, waiting for one at the most `timeoutMs`.
   * @throws STARLING_USAGE for what is no cursor, STARLING_LIMIT_EXCEEDED, STARLING_BOARD_INVALID
   */
  after(request: FeedRequest): Promise<BoardWatchResult>;
  /** Gives all feeds up. */
  stop(): void;
}

/** Boards, and the clock by which a feed waits. */
export interface BoardFeedComponents {
  readonly blackboard: Pick<Blackboard, 'board'>;
  readonly clock: Clock;
}

/** Makes the feeds of one node: one for each board that somebody watches. */
export function createBoardFeeds(components: BoardFeedComponents): BoardFeeds {
  return new NodeFeeds(components);
}

class NodeFeeds implements BoardFeeds {
  readonly #components: BoardFeedComponents;
  /** By board; the one that was asked longest ago first. */
  readonly #feeds = new Map<string, Feed>();
  readonly #startedAt: string;
  #made = 0;

  constructor(components: BoardFeedComponents) {
    this.#components = components;
    this.#startedAt = components.clock.now().toString(36);
  }

  get size(): number {
    return this.#feeds.size;
  }

  async after(request: FeedRequest): Promise<BoardWatchResult> {
    const board = await this.#components.blackboard.board(request.board);
    const feed = this.#feedOf(board);
    const end = feed.begin();
    try {
      return await feed.after(request);
    } finally {
      end();
    }
  }

  stop(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #feedOf(board: Board): Feed {
    const known = this.#feeds.get(board.name);
    const feed = known ?? this.#open(board);
    // Put at the end: the first is the one that was asked longest ago.
    this.#feeds.delete(board.name);
    this.#feeds.set(board.name, feed);
    return feed;
  }

  #open(board: Board): Feed {
    if (this.#feeds.size >= FEEDS_MAX) this.#makeRoom();
    this.#made += 1;
    // No cursor of an earlier feed of the board, or of an earlier run, is one of the new feed.
    const epoch = `${this.#startedAt}${this.#made.toString(36)}`;
    return new Feed(board, {
      epoch,
      clock: this.#components.clock,
      idle: () => this.#feeds.delete(board.name),
    });
  }

  /** Gives up the feed that was asked longest ago. @throws STARLING_LIMIT_EXCEEDED when all are waited on */
  #makeRoom(): void {
    const oldest = [...this.#feeds].find(([, feed]) => !feed.isAsked);
    if (oldest === undefined) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${FEEDS_MAX} boards are watched already`,
        {
          hint: 'wait until some of these watches have ended',
        },
      );
    }
    const [name, feed] = oldest;
    feed.close();
    this.#feeds.delete(name);
  }
}

interface FeedInit {
  /** Tells the cursors of this feed from those of all others. */
  readonly epoch: string;
  readonly clock: Clock;
  /** Nobody has asked for a long time: the feed is closed. */
  idle(): void;
}

/** The changes of one board. */
class Feed {
  readonly #board: Board;
  readonly #init: FeedInit;
  readonly #unwatch: () => void;
  readonly #changes: BoardChange[] = [];
  /** Of each change. */
  readonly #chars: number[] = [];
  #charsTotal = 0;
  readonly #waiting = new Set<() => void>();
  /** Sequence number of the first change that is kept. */
  #first = 0;
  /** Questions under way. */
  #asking = 0;
  #cancelIdle: () => void = () => undefined;
  #isClosed = false;

  constructor(board: Board, init: FeedInit) {
    this.#board = board;
    this.#init = init;
    this.#unwatch = board.watch((changes) => this.#changed(changes));
  }

  get isAsked(): boolean {
    return this.#asking > 0;
  }

  /** Somebody asks; gives what to call when the question is answered. */
  begin(): () => void {
    this.#cancelIdle();
    this.#asking += 1;
    return () => {
      this.#asking -= 1;
      if (this.#asking > 0 || this.#isClosed) return;
      this.#cancelIdle = this.#init.clock.schedule(IDLE_MS, () => {
        this.close();
        this.#init.idle();
      });
    };
  }

  async after({ prefix, cursor, timeoutMs, signal }: FeedRequest): Promise<BoardWatchResult> {
    if (cursor === undefined) return { changes: [], cursor: this.#cursor() };
    let from = this.#positionOf(cursor);
    if (from === undefined) {
      const entries = this.#board.entries(prefix);
      return {
        changes: entries.map((entry) => shownChange({ key: entry.key, entry })),
        cursor: this.#cursor(),
      };
    }
    const { clock } = this.#init;
    const deadline = clock.now() + timeoutMs;
    for (;;) {
      const found = this.#since(from, prefix);
      const leftMs = deadline - clock.now();
      if (found.length > 0 || leftMs <= 0 || signal.aborted || this.#isClosed) {
        return { changes: found.map(shownChange), cursor: this.#cursor() };
      }
      from = this.#end;
      await this.#nextChange(leftMs, signal);
    }
  }

  /** Watches no more, and answers whoever waits. */
  close(): void {
    this.#isClosed = true;
    this.#cancelIdle();
    this.#unwatch();
    for (const wake of this.#waiting) wake();
  }

  #changed(changes: readonly BoardChange[]): void {
    for (const change of changes) {
      this.#changes.push(change);
      this.#chars.push(JSON.stringify(change.entry?.value)?.length ?? 0);
      this.#charsTotal += this.#chars.at(-1) ?? 0;
    }
    let surplus = Math.max(0, this.#changes.length - CHANGES_MAX);
    for (let at = 0; at < this.#changes.length - 1; at += 1) {
      if (at >= surplus && this.#charsTotal <= CHARS_MAX) break;
      this.#charsTotal -= this.#chars[at] ?? 0;
      surplus = Math.max(surplus, at + 1);
    }
    this.#changes.splice(0, surplus);
    this.#chars.splice(0, surplus);
    this.#first += surplus;
    for (const wake of this.#waiting) wake();
  }

  /** Sequence number of the change to come. */
  get #end(): number {
    return this.#first + this.#changes.length;
  }

  #cursor(): string {
    return `${this.#init.epoch}.${this.#end.toString(36)}`;
  }

  /** Where in the feed a cursor points; undefined when the feed no longer reaches back to it. */
  #positionOf(cursor: string): number | undefined {
    const [, epoch, digits = ''] = /^([0-9a-z]+)\.([0-9a-z]+)$/.exec(cursor) ?? [];
    if (epoch === undefined) {
      throw new StarlingError(
        'STARLING_USAGE',
        `'${printable(cursor)}' is no cursor of board_watch`,
        { hint: 'leave the cursor out to get one' },
      );
    }
    const position = Number.parseInt(digits, 36);
    const isKept = position >= this.#first && position <= this.#end;
    return epoch === this.#init.epoch && isKept ? position : undefined;
  }

  #since(from: number, prefix: string): readonly BoardChange[] {
    const start = Math.max(0, from - this.#first);
    return this.#changes.slice(start).filter((change) => change.key.startsWith(prefix));
  }

  #nextChange(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#init.clock.schedule(waitMs, done);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
