/** `starling board set` */
import type { BoardSetResult } from '../../../builtin/results.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { readValue, showChange } from '../../options/board-value.ts';

/** Writes the entry and shows it. */
export async function run(
  board: string,
  key: string,
  value: string,
  options: CommonOptions & { readonly string?: boolean },
): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardSetResult>('board_set', {
      board,
      key,
      value: options.string === true ? value : readValue(value),
    }),
  );
  printData(result, options.json === true, () => showChange({ key, entry: result.entry }));
}
