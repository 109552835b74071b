/** `starling board delete` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { BoardDeleteResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Deletes the entry; exit code 1 when there was none. */
export async function run(
  board: string,
  key: string,
  options: CommonOptions & { readonly request?: string },
): Promise<ExitCode> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardDeleteResult>('board_delete', {
      board,
      key,
      ...(options.request === undefined ? {} : { request: options.request }),
    }),
  );
  printData(result, options.json === true, () =>
    asSentence(result.deleted ? `deleted ${key}` : `board '${board}' has no entry '${key}'`),
  );
  return result.deleted ? 0 : 1;
}
