/**
 * Looks again at what was accepted here: whoever proposed it shows it to the readers of the board right after it was
 * chosen, but may be gone before that.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Logger, Scope } from '../../core/index.ts';
import type { Cell } from './format.ts';

/** Keys that are looked at again. */
export interface LateShowing {
  add(cell: Cell): void;
}

/** What was accepted is looked at after this. */
const SHOW_MS = 5000;
/** Keys that wait for that; of more, the next change of the key shows it. */
const TO_SHOW_MAX = 4096;

/** `show` is called for each key once, after a while; what it throws is no concern, as the next change shows all. */
export function createLateShowing(
  scope: Scope,
  logger: Pick<Logger, 'debug' | 'error'>,
  show: (cell: Cell) => Promise<void>,
): LateShowing {
  const cells = new Map<string, Cell>();
  let isDue = false;
  const showAll = async (due: readonly Cell[]): Promise<void> => {
    for (const cell of due) {
      if (scope.closed) return;
      await show(cell).catch((error: unknown) =>
        logger.debug({ ...cell, error: messageOf(error) }, 'what a key holds was not shown again'),
      );
    }
  };
  return {
    add(cell) {
      if (scope.closed) return;
      if (cells.size < TO_SHOW_MAX) cells.set(`${cell.board}/${cell.key}`, cell);
      if (isDue) return;
      isDue = true;
      scope.after(SHOW_MS, () => {
        isDue = false;
        const due = [...cells.values()];
        cells.clear();
        unawaited(showAll(due), logger, 'what was accepted here was not shown again');
      });
    },
  };
}
