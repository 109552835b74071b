/** `starling board export` */
import type { BoardListResult } from '../../../builtin/results.ts';
import { print } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the entries as JSON Lines, by key: what `board import` reads. */
export async function run(
  board: string,
  prefix: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const { entries = [] } = await withNode(options, (node) =>
    node.builtin<BoardListResult>('board_list', {
      board,
      ...(prefix === undefined ? {} : { prefix }),
    }),
  );
  for (const { key, value, by, at, expires } of entries) {
    print(JSON.stringify({ key, value, by, at, ...(expires === undefined ? {} : { expires }) }));
  }
}
