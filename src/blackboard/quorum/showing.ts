/**
 * Shows readers of a board what was chosen of a key: at once where that is seldom, and the last of many changes of one
 * key where they follow each other closely, for each is a write to the board as others are. All keys that change so are
 * shown in one turn: what comes in one turn is one write. Whoever proposed a change shows it; as that one may be gone
 * before, those who have accepted it look whether it is shown once the key rests.
 */
import type { Did, Json, Logger, Scope } from '../../core/index.ts';
import type { StrongState } from './acceptor.ts';
import { createFollowUps } from './follow-ups.ts';
import type { Cell } from './format.ts';
import { heldIn } from './request.ts';

/** What is to be shown to whoever reads the board as others are read. */
export interface Chosen {
  readonly key: string;
  /** Undefined: deleted. */
  readonly value?: Json | undefined;
  readonly by: Did;
  readonly at: number;
}

/** What showing works with. */
export interface ShowingComponents {
  readonly scope: Scope;
  readonly logger: Pick<Logger, 'debug' | 'error'>;
  /** Hears what a majority has on disk. Never throws. */
  chosen(board: string, chosen: Chosen): void;
  /** Whether what was accepted of a key is shown already, or something later. */
  isShown(board: string, chosen: Chosen): boolean;
  /** What this node has accepted of a key; undefined: nothing. */
  readonly accepted: (cell: Cell) => Promise<StrongState | undefined>;
  /** Reads a key at its replicas, and tells {@link Showing.show} what was chosen. */
  readonly read: (cell: Cell) => Promise<unknown>;
}

/** What readers of boards see of strong keys. */
export interface Showing {
  /** Shows what was chosen of a key, now or in a moment. */
  show(cell: Cell, state: StrongState): void;
  /** Something was accepted here that somebody else is to show. */
  look(cell: Cell): void;
}

/** What is shown of keys; `T` is what was chosen. */
export interface PacedShowing<T> {
  show(cell: Cell, chosen: T): void;
}

/** A key that has not changed for so long rests. Lower: sooner shown where whoever was to show it is gone. */
const REST_MS = 2500;
/**
 * A key that goes on changing has a proposer, who shows what it is, and is looked at so often all the same. Lower: a reading
 * amid changes, which takes the proposer's turn, more often.
 */
const BUSY_MS = 60_000;

/** How long changes are gathered. Higher: fewer writes; lower: readers see each change sooner. */
export const PACE_MS = 200;
/** Keys whose last showing is remembered; beyond, each change is shown. */
const KEYS_MAX = 4096;

interface Paced<T> {
  readonly cell: Cell;
  /** What waits for the next turn. */
  next: T | undefined;
}

/** Nothing is shown any more once the scope closes. */
export function createShowing(components: ShowingComponents): Showing {
  const { scope, logger, accepted, read } = components;
  const paced = createPacedShowing<Chosen>(scope, ({ board }, chosen) => {
    if (!components.isShown(board, chosen)) components.chosen(board, chosen);
  });
  const toLook = createFollowUps<undefined>({
    scope,
    logger,
    restMs: REST_MS,
    busyMs: BUSY_MS,
    turn: async (cell) => {
      const state = await accepted(cell);
      const chosen = state && chosenOf(cell, state);
      if (chosen === undefined || components.isShown(cell.board, chosen)) return;
      await read(cell);
    },
  });
  return {
    show(cell, state) {
      const chosen = chosenOf(cell, state);
      if (chosen !== undefined) paced.show(cell, chosen);
    },
    look: (cell) => {
      toLook.add(cell, undefined);
    },
  };
}

/** What a state shows to whoever reads the board as others are read; undefined where nothing ever was. */
function chosenOf({ key }: Cell, state: StrongState): Chosen | undefined {
  const held = heldIn(state);
  return held === undefined ? undefined : { key, value: held.v, by: held.by, at: held.at };
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
