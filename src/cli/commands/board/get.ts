/** `starling board get` */
import type { BoardGetResult, BoardListResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { nearest } from '../../../core/words/slips.ts';
import { print, printData } from '../../terminal/output.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showValue } from '../../options/board-value.ts';

/** Prints the entry's value; @throws STARLING_ENTRY_UNKNOWN when there is none, STARLING_BOARD_UNKNOWN. */
export async function run(
  board: string,
  key: string,
  options: CommonOptions & { readonly seen?: string; readonly consistency?: string },
): Promise<void> {
  const { entry, boards } = await withNode(options, async (node) => {
    const found = await node.builtin<BoardGetResult>('board_get', {
      board,
      key,
      ...(options.seen === undefined ? {} : { token: options.seen }),
      ...(options.consistency === undefined ? {} : { consistency: options.consistency }),
    });
    return { entry: found.entry, boards: found.entry === null ? await boardsOf(node) : undefined };
  });
  if (entry === null) {
    if (boards?.includes(board) === false) throw noBoard(board, boards);
    throw new StarlingError('STARLING_ENTRY_UNKNOWN', `board '${board}' has no entry '${key}'`, {
      hint: `see what it has: starling board list ${board}`,
    });
  }
  if (options.json === true) printData(entry, true, () => '');
  // As it was written: a time in a value is no text of ours.
  else print(showValue(entry.value));
}

/** The boards of the node, where it says so. */
async function boardsOf(node: NodeClient): Promise<readonly string[] | undefined> {
  try {
    return (await node.builtin<BoardListResult>('board_list', {})).boards;
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}

function noBoard(board: string, boards: readonly string[]): StarlingError {
  const meant = nearest(board, boards);
  return new StarlingError('STARLING_BOARD_UNKNOWN', `there is no board '${board}'`, {
    hint:
      meant === undefined ? 'see which there are: starling board list' : `did you mean ${meant}?`,
  });
}
