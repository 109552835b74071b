/** `starling board revoke` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { BoardRevokeResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Takes the rights back; exit code 1 when there were none. */
export async function run(board: string, from: string, options: CommonOptions): Promise<ExitCode> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardRevokeResult>('board_revoke', { board, from }),
  );
  printData(result, options.json === true, () =>
    asSentence(
      result.revoked === 0
        ? `${from} had no right on board ${board}`
        : `${from} has no right on board ${board} any more; what was seen of its entries stays`,
    ),
  );
  return result.revoked === 0 ? 1 : 0;
}
