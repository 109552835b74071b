/**
 * POSTs that wait until their client has read what waits for it. A POST that waits is not read, so it costs a
 * connection and no memory; each waits for a bounded time, in the order of arrival.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../core/index.ts';

/** POSTs of one client that may wait: as many as it may have calls under way by default. */
const WAITING_MAX = 100;
/** How long each may wait, ms: under the time after which HTTP clients give up. */
const WAITING_MS = 20_000;

/** What becomes of a POST that waits. */
export interface WaitingPost {
  /** Its turn has come, or nothing more is to wait for. */
  go(): void;
  /** It has waited too long. */
  tooLong(): void;
}

/** The POSTs of one client that wait. */
export interface WaitingPosts {
  readonly isEmpty: boolean;
  /** Lets the POST that `response` answers wait; false when too many do already. */
  hold(response: ServerResponse, post: WaitingPost): boolean;
  /** Lets them go on, the oldest first, while `mayGo` says so. */
  release(mayGo: () => boolean): void;
}

/** Makes an empty queue. */
export function createWaitingPosts(clock: Clock): WaitingPosts {
  const waiting = new Set<() => void>();
  return {
    get isEmpty() {
      return waiting.size === 0;
    },
    hold(response, post) {
      if (waiting.size >= WAITING_MAX) return false;
      const leave = (): void => {
        cancel();
        response.off('close', leave);
        waiting.delete(go);
      };
      const go = (): void => {
        leave();
        post.go();
      };
      const cancel = clock.schedule(WAITING_MS, () => {
        leave();
        post.tooLong();
      });
      response.once('close', leave);
      waiting.add(go);
      return true;
    },
    release(mayGo) {
      for (const go of waiting) {
        if (!mayGo()) return;
        go();
      }
    },
  };
}
