/**
 * What the operator looks at again and again, by a page or a command that keeps showing how it stands: on record when a
 * session first looks at it, and once more for each hour in which it goes on. One entry a look would bury what the record
 * is for; none would let any program of the operator's account read whatever it likes unseen.
 */
import { hash } from 'node:crypto';
import { hashArguments } from '../../audit/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';

/** For so long one entry stands for all looks of a session at the same thing, ms. */
export const LOOK_MS = 3_600_000;
/** Looks that are remembered, of all sessions; one that was forgotten is on record once more. */
export const LOOKS_MAX = 4096;
/** Arguments that say how much of a thing is wanted, from where on and how long one waits for it, and not what it is. */
const PLACES: ReadonlySet<string> = new Set(['cursor', 'limit', 'timeout_s', 'version']);

/** One look of a session. */
export interface Look {
  readonly session: string;
  readonly resource: string;
  readonly args: JsonObject;
}

/** The looks that are on record. */
export interface Looks {
  /** Something by which the same look of the same session is known again. @throws for what JSON does not have */
  keyOf(look: Look): string;
  has(key: string): boolean;
  /** The look is on record from now on. */
  add(key: string): void;
}

/** Makes the table, empty. */
export function createLooks({ clock }: { readonly clock: Pick<Clock, 'now'> }): Looks {
  /** When each was recorded, the oldest first. */
  const recordedAt = new Map<string, number>();
  return {
    keyOf({ session, resource, args }) {
      const what = Object.entries(args).filter(([name]) => !PLACES.has(name));
      const said = [session, resource, hashArguments(Object.fromEntries(what))];
      // A resource may be as long as a message, and is kept for an hour.
      return hash('sha256', JSON.stringify(said), 'base64url');
    },
    has(key) {
      const at = recordedAt.get(key);
      if (at === undefined) return false;
      const age = clock.now() - at;
      return age >= 0 && age < LOOK_MS;
    },
    add(key) {
      recordedAt.delete(key);
      const [oldest] = recordedAt.keys();
      if (recordedAt.size >= LOOKS_MAX && oldest !== undefined) recordedAt.delete(oldest);
      recordedAt.set(key, clock.now());
    },
  };
}
