/** `starling board drop` */
import type { BoardDropResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Deletes all entries of a board, everywhere. */
export async function run(board: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardDropResult>('board_drop', { board }),
  );
  printData(result, options.json === true, () =>
    asSentence(`dropped ${board}: ${result.deleted} entries deleted`),
  );
}
