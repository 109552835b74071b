/** `starling board create` */
import type { BoardCreateResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Makes the board; says so when there was one. */
export async function run(board: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardCreateResult>('board_create', { board }),
  );
  printData(result, options.json === true, () =>
    asSentence(result.created ? `created ${board}` : `there is a board '${board}' already`),
  );
}
