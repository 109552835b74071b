/** `starling board export` */
import type { BoardInfoResult, BoardListResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { print, safeLine, tell } from '../../terminal/output.ts';
import { comingText } from '../../terminal/lines/node-status.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the entries as JSON Lines, by key: what `board import` reads. */
export async function run(
  board: string,
  prefix: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const { coming, entries } = await withNode(options, async (node) => {
    // Before the entries: what comes meanwhile may be among them, and is told as if it were not.
    const before = await comingTo(node, board);
    const listed = await node.builtin<BoardListResult>('board_list', {
      board,
      ...(prefix === undefined ? {} : { prefix }),
    });
    return { coming: before, entries: listed.entries ?? [] };
  });
  for (const { key, value, by, at, expires } of entries) {
    print(JSON.stringify({ key, value, by, at, ...(expires === undefined ? {} : { expires }) }));
  }
  for (const one of coming) {
    tell(safeLine(`! the board is not whole here yet: ${comingText(one)}`));
    tell(safeLine(`  → see how far it is: starling board info ${board}; then export it again`));
  }
}

/** What of the board is on its way; nothing where the node does not say. */
async function comingTo(
  node: NodeClient,
  board: string,
): Promise<NonNullable<BoardInfoResult['coming']>> {
  try {
    return (await node.builtin<BoardInfoResult>('board_info', { board })).coming ?? [];
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}
