/** `starling board undo` */
import type { BoardUndoResult } from '../../../builtin/results.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showChange } from '../../options/board-value.ts';

/** Writes again what was there before this node's last write, and shows that. */
export async function run(board: string, key: string, options: CommonOptions): Promise<void> {
  const { entry } = await withNode(options, (node) =>
    node.builtin<BoardUndoResult>('board_undo', { board, key }),
  );
  printData({ entry }, options.json === true, () =>
    safeLine(showChange(entry === null ? { key } : { key, entry })),
  );
}
