/** `starling board watch` */
import type { BoardWatchResult } from '../../../builtin/results.ts';
import { print } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showChange } from '../../options/board-value.ts';

const WAIT_S = 60;

/** Prints changes until Ctrl-C. */
export async function run(
  board: string,
  prefix: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.once('SIGTERM', () => abort.abort());
  await withNode(options, async (node) => {
    let cursor: string | undefined;
    while (!abort.signal.aborted) {
      const result = await node
        .builtin<BoardWatchResult>(
          'board_watch',
          {
            board,
            timeout_s: WAIT_S,
            ...(prefix === undefined ? {} : { prefix }),
            ...(cursor === undefined ? {} : { cursor }),
          },
          { signal: abort.signal, timeoutMs: (WAIT_S + 10) * 1000 },
        )
        .catch((error: unknown) => {
          if (abort.signal.aborted) return undefined;
          throw error;
        });
      for (const change of result?.changes ?? []) {
        print(options.json === true ? JSON.stringify(change) : showChange(change));
      }
      cursor = result?.cursor;
    }
  });
}
