/** What comes, as it comes: the last entries in memory, older ones from the files, and waiting. */
import type { Clock } from '../core/index.ts';
import { fits, queryLog } from './query.ts';
import type { AuditEntry, AuditTail, AuditTailRequest } from './types.ts';

/** Entries kept in memory, at least; at most twice as many. */
const KEPT_MAX = 1000;
/** A cursor farther back than this gets what is newer. */
const BEHIND_MAX = 10_000;
/** Whoever has not asked for so long follows no more, ms; the next question is answered from the files. */
const FOLLOWED_MS = 60_000;

/** Answers whoever follows the log. */
export interface Feed {
  /** Whether somebody asks for what comes, or did lately: else entries need not be made beside their lines. */
  isFollowed(): boolean;
  /** So many `lines` are written; their `entries` are there where the feed was followed when they were made. */
  add(entries: readonly AuditEntry[], lines: number): void;
  after(request: AuditTailRequest): Promise<AuditTail>;
  /** Nobody waits any more. */
  stop(): void;
}

/** Makes the feed of the log in `folder`; `last` gives the last `seq` that is written. */
export function createFeed(components: {
  readonly folder: string;
  readonly clock: Clock;
  readonly last: () => number;
}): Feed {
  const { folder, clock, last } = components;
  const kept: AuditEntry[] = [];
  const waiting = new Set<() => void>();
  /** When somebody asked last, ms since the epoch. */
  let askedAt = -Infinity;
  /** How often everybody was sent away. */
  let stops = 0;

  async function since(after: number, signal: AbortSignal): Promise<readonly AuditEntry[]> {
    const first = kept[0]?.seq ?? last() + 1;
    if (after >= first - 1) return kept.filter((entry) => entry.seq > after);
    const limit = Math.min(last() - after, BEHIND_MAX);
    const { entries } = await queryLog(folder, { limit, signal });
    return entries.filter((entry) => entry.seq > after).toReversed();
  }

  function next(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        waiting.delete(done);
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = clock.schedule(waitMs, done);
      waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  return {
    // A clock that was set back makes nobody follow for longer.
    isFollowed: () => waiting.size > 0 || Math.abs(clock.now() - askedAt) <= FOLLOWED_MS,
    add(entries, lines) {
      // What is kept has no gap: where entries are missing, the files answer.
      if (entries.length < lines) kept.length = 0;
      else kept.push(...entries);
      // Cutting moves all that stays: it is done seldom.
      if (kept.length >= 2 * KEPT_MAX) kept.splice(0, kept.length - KEPT_MAX);
      for (const wake of waiting) wake();
    },
    async after(request) {
      askedAt = clock.now();
      if (request.after === undefined) return { entries: [], cursor: last() };
      const deadline = clock.now() + request.timeoutMs;
      const stopsBefore = stops;
      let cursor = Math.min(request.after, last());
      for (;;) {
        // Before anything is read: what comes meanwhile is for the next round.
        const end = last();
        const fresh = await since(cursor, request.signal);
        const found = fresh.filter((entry) => fits(entry, request)).slice(0, request.limit);
        const isFull = found.length === request.limit;
        cursor = (isFull ? found : fresh).at(-1)?.seq ?? end;
        const leftMs = deadline - clock.now();
        const isOver = leftMs <= 0 || request.signal.aborted || stops !== stopsBefore;
        if (found.length > 0 || isOver) {
          return { entries: found, cursor };
        }
        if (last() > cursor) continue;
        await next(leftMs, request.signal);
      }
    },
    stop() {
      stops += 1;
      for (const wake of waiting) wake();
    },
  };
}
