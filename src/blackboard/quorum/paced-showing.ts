/**
 * Shows readers of a board what was chosen of a key: at once where that is seldom, and the last of many changes of one
 * key where they follow each other closely, for each is a write to the board as others are.
 */
import type { Scope } from '../../core/index.ts';
import type { Cell } from './format.ts';

/** What is shown of keys; `T` is what was chosen. */
export interface PacedShowing<T> {
  show(cell: Cell, chosen: T): void;
}

/** How long changes of one key are gathered. Higher: fewer writes; lower: readers see each change sooner. */
const PACE_MS = 200;
/** Keys whose last showing is remembered; beyond, each change is shown. */
const KEYS_MAX = 4096;

interface Paced<T> {
  readonly cell: Cell;
  /** What waits for its time. */
  next: T | undefined;
}

/** `show` is called with what was chosen last. */
export function createPacedShowing<T extends { readonly at: number }>(
  scope: Scope,
  show: (cell: Cell, chosen: T) => void,
): PacedShowing<T> {
  const keys = new Map<string, Paced<T>>();
  const pace = (name: string, paced: Paced<T>): void => {
    scope.after(PACE_MS, () => {
      const { next, cell } = paced;
      paced.next = undefined;
      if (next === undefined) {
        keys.delete(name);
        return;
      }
      show(cell, next);
      pace(name, paced);
    });
  };
  return {
    show(cell, chosen) {
      const name = `${cell.board}/${cell.key}`;
      const known = keys.get(name);
      if (known !== undefined) {
        if (chosen.at >= (known.next?.at ?? 0)) known.next = chosen;
        return;
      }
      show(cell, chosen);
      if (scope.closed || keys.size >= KEYS_MAX) return;
      const paced: Paced<T> = { cell, next: undefined };
      keys.set(name, paced);
      pace(name, paced);
    },
  };
}
