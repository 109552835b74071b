/** `starling board get` */
import type { BoardGetResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { print, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showValue } from '../../options/board-value.ts';

/** Prints the entry's value; @throws STARLING_BOARD_INVALID when there is none. */
export async function run(
  board: string,
  key: string,
  options: CommonOptions & { readonly seen?: string },
): Promise<void> {
  const { entry } = await withNode(options, (node) =>
    node.builtin<BoardGetResult>('board_get', {
      board,
      key,
      ...(options.seen === undefined ? {} : { token: options.seen }),
    }),
  );
  if (entry === null) {
    throw new StarlingError('STARLING_BOARD_INVALID', `board '${board}' has no entry '${key}'`, {
      hint: `see what it has: starling board list ${board}`,
    });
  }
  if (options.json === true) printData(entry, true, () => '');
  // As it was written: a time in a value is no text of ours.
  else print(showValue(entry.value));
}
