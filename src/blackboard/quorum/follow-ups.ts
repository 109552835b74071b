/**
 * Follow-ups of changes: what is to be done once for many changes of a key, when it rests, or now and then while it goes on
 * changing. Each change puts that off, and of all changes the last one counts.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Logger, Scope } from '../../core/index.ts';
import type { Cell } from './format.ts';

/** Keys that change, each with what is known of its last change. */
export interface FollowUps<T> {
  /** A key has changed; false when so many wait that this one can't. */
  add(cell: Cell, last: T): boolean;
}

/** What is done, and when. */
export interface FollowUpsInit<T> {
  readonly scope: Scope;
  readonly logger: Pick<Logger, 'debug' | 'error'>;
  /** A key that has not changed for so long rests, ms: it is up to twice that until it is noticed. */
  readonly restMs: number;
  /** A key that goes on changing has its turn about as often, ms. */
  readonly busyMs: number;
  /** Called for each key; what it throws is no concern, as the key's next change has its turn too. */
  readonly turn: (cell: Cell, last: T) => Promise<void>;
}

/** Keys that wait. */
const KEYS_MAX = 4096;
/** Keys whose turn is at the same time. Lower: less of the node at once. */
const AT_ONCE = 16;

interface Waiting<T> {
  readonly cell: Cell;
  last: T;
  hasChanged: boolean;
  looks: number;
}

/** They end when the scope closes. */
export function createFollowUps<T>(init: FollowUpsInit<T>): FollowUps<T> {
  const { scope, logger, restMs, busyMs, turn } = init;
  const keys = new Map<string, Waiting<T>>();
  let isDue = false;
  const takeDue = (): readonly Waiting<T>[] =>
    [...keys].flatMap(([name, one]) => {
      one.looks += 1;
      if (one.hasChanged && one.looks * restMs < busyMs) {
        one.hasChanged = false;
        return [];
      }
      keys.delete(name);
      return [one];
    });
  const turnsOf = async (due: Iterator<Waiting<T>>): Promise<void> => {
    for (let next = due.next(); next.done !== true; next = due.next()) {
      if (scope.closed) return;
      const { cell, last } = next.value;
      await turn(cell, last).catch((error: unknown) =>
        logger.debug({ ...cell, error: messageOf(error) }, 'a key that rests had no turn'),
      );
    }
  };
  const look = async (): Promise<void> => {
    const due = takeDue().values();
    await Promise.all(Array.from({ length: AT_ONCE }, () => turnsOf(due)));
    isDue = false;
    if (keys.size > 0) wait();
  };
  const wait = (): void => {
    if (isDue || scope.closed) return;
    isDue = true;
    scope.after(restMs, () => unawaited(look(), logger, 'keys that rest had no turn'));
  };
  return {
    add(cell, last) {
      const name = `${cell.board}/${cell.key}`;
      const known = keys.get(name);
      if (known === undefined && keys.size >= KEYS_MAX) return false;
      if (known === undefined) keys.set(name, { cell, last, hasChanged: true, looks: 0 });
      else {
        known.last = last;
        known.hasChanged = true;
      }
      wait();
      return true;
    },
  };
}
