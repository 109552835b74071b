/**
 * Shows readers of a board what was chosen of a key: at once where that is seldom, and the last of many changes of one
 * key where they follow each other closely, for each is a write to the board as others are. All keys that change so are
 * shown in one turn: what comes in one turn is one write.
 */
import type { Scope } from '../../core/index.ts';
import type { Cell } from './format.ts';

/** What is shown of keys; `T` is what was chosen. */
export interface PacedShowing<T> {
  show(cell: Cell, chosen: T): void;
}

/** How long changes are gathered. Higher: fewer writes; lower: readers see each change sooner. */
export const PACE_MS = 200;
/** Keys whose last showing is remembered; beyond, each change is shown. */
const KEYS_MAX = 4096;

interface Paced<T> {
  readonly cell: Cell;
  /** What waits for the next turn. */
  next: T | undefined;
}

/** `show` is called with what was chosen last. */
export function createPacedShowing<T extends { readonly at: number }>(
  scope: Scope,
  show: (cell: Cell, chosen: T) => void,
): PacedShowing<T> {
  const keys = new Map<string, Paced<T>>();
  let isPacing = false;
  const pace = (): void => {
    if (isPacing) return;
    isPacing = true;
    scope.after(PACE_MS, () => {
      isPacing = false;
      for (const [name, paced] of keys) {
        const { next, cell } = paced;
        paced.next = undefined;
        // Seldom changed from here on: the next change is shown at once.
        if (next === undefined) keys.delete(name);
        else show(cell, next);
      }
      if (keys.size > 0) pace();
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
      keys.set(name, { cell, next: undefined });
      pace();
    },
  };
}
