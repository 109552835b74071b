/** What the tools of boards return; see `results.ts`. */
import type { BoardChange, BoardEntry } from '../../blackboard/types.ts';

/** Result of `board_get`. */
export interface BoardGetResult {
  readonly entry: BoardEntry | null;
}

/** Result of `board_set`. */
export interface BoardSetResult {
  readonly entry: BoardEntry;
}

/** Result of `board_delete`. */
export interface BoardDeleteResult {
  readonly deleted: boolean;
}

/** Result of `board_list`: names of boards, or entries of one. */
export interface BoardListResult {
  readonly boards?: readonly string[];
  readonly entries?: readonly BoardEntry[];
  readonly digest?: string;
}

/** Result of `board_watch`: what changed after `cursor`, and the cursor to go on from. */
export interface BoardWatchResult {
  readonly changes: readonly BoardChange[];
  readonly cursor: string;
}
