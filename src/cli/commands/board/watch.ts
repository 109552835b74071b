/** `starling board watch` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { BoardWatchResult } from '../../../builtin/results.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { shortId } from '../../../identity/short-id.ts';
import { print, safeLine } from '../../terminal/output.ts';
import type { NodeClient } from '../../node/client.ts';
import { watchNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showChange } from '../../options/board-value.ts';
import { namesOf } from './writer-names.ts';

const WAIT_S = 60;

/** Prints changes until Ctrl-C. */
export function run(
  board: string,
  prefix: string | undefined,
  options: CommonOptions,
): Promise<ExitCode> {
  const watch = async (node: NodeClient): Promise<ExitCode> => {
    let cursor: string | undefined;
    for (;;) {
      const result: BoardWatchResult = await node.builtin(
        'board_watch',
        {
          board,
          timeout_s: WAIT_S,
          ...(prefix === undefined ? {} : { prefix }),
          ...(cursor === undefined ? {} : { cursor }),
        },
        { timeoutMs: (WAIT_S + 10) * 1000 },
      );
      const isForPeople = options.json !== true && result.changes.some(({ entry }) => entry);
      const names = isForPeople ? await namesOf(node) : new Map<string, string>();
      for (const change of result.changes) {
        const by = change.entry?.by;
        const writer = by === undefined ? '' : ` (by ${safeLine(names.get(by) ?? shortId(by))})`;
        print(options.json === true ? JSON.stringify(change) : `${showChange(change)}${writer}`);
      }
      ({ cursor } = result);
    }
  };
  return untilInterrupted((signal) => watchNode(options, watch, signal));
}
