/**
 * POSTs that wait until their client has read what waits for it. A POST that waits is not read, so it costs a
 * connection and no memory; each waits for a bounded time, in the order of arrival.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../core/index.ts';

/** POSTs of one client that may wait: as many as it may have calls under way by default. */
const HELD_MAX = 100;
/** How long each may wait, ms: under the time after which HTTP clients give up. */
const HELD_MS = 20_000;

/** What becomes of a POST that waits. */
export interface HeldPost {
  /** Its turn has come, or nothing more is to wait for. */
  go(): void;
  /** It has waited too long. */
  tooLong(): void;
}

/** The POSTs of one client that wait. */
export interface HeldPosts {
  readonly isEmpty: boolean;
  /** Lets the POST that `response` answers wait; false when too many do already. */
  hold(response: ServerResponse, post: HeldPost): boolean;
  /** Lets them go on, the oldest first, while `mayGo` says so. */
  release(mayGo: () => boolean): void;
}

/** Makes an empty queue. */
export function createHeldPosts(clock: Clock): HeldPosts {
  const held = new Set<() => void>();
  return {
    get isEmpty() {
      return held.size === 0;
    },
    hold(response, post) {
      if (held.size >= HELD_MAX) return false;
      const leave = (): void => {
        cancel();
        response.off('close', leave);
        held.delete(go);
      };
      const go = (): void => {
        leave();
        post.go();
      };
      const cancel = clock.schedule(HELD_MS, () => {
        leave();
        post.tooLong();
      });
      response.once('close', leave);
      held.add(go);
      return true;
    },
    release(mayGo) {
      for (const go of held) {
        if (!mayGo()) return;
        go();
      }
    },
  };
}
