/** `starling board list` */
import type { BoardListResult } from '../../../builtin/results.ts';
import { nearest } from '../../../core/words/slips.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, cut, printData, safe, safeLine, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showValue } from '../../options/board-value.ts';
import { namesOf } from './writer-names.ts';

const VALUE_MAX = 60;
const NONE_YET =
  'no boards yet: make one with its first entry: starling board set <board> <key> <value> --create';

/** Prints the boards, or the entries of one. */
export async function run(
  board: string | undefined,
  prefix: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const { result, boards, names } = await withNode(options, async (node) => {
    const listed = await node.builtin<BoardListResult>('board_list', {
      ...(board === undefined ? {} : { board }),
      ...(prefix === undefined ? {} : { prefix }),
    });
    const isForPeople = options.json !== true && listed.entries !== undefined;
    const isEmpty = isForPeople && listed.entries?.length === 0 && prefix === undefined;
    const { boards = [] } = isEmpty ? await node.builtin<BoardListResult>('board_list', {}) : {};
    return {
      result: listed,
      boards,
      names: isForPeople ? await namesOf(node) : new Map<string, string>(),
    };
  });
  printData(result, options.json === true, () => {
    if (result.entries === undefined) return safe((result.boards ?? []).join('\n')) || NONE_YET;
    if (result.entries.length === 0) return noneIn(board ?? '', boards);
    const rows = result.entries.map((entry) => [
      entry.key,
      cut(showValue(entry.value), VALUE_MAX),
      ago(entry.at),
      names.get(entry.by) ?? shortId(entry.by),
    ]);
    return table(['KEY', 'VALUE', 'WRITTEN', 'BY'], rows, { flexible: 1, wrap: true });
  });
}

/** Of a board without entries: which one was meant, where there is none of that name. */
function noneIn(board: string, boards: readonly string[]): string {
  if (boards.length === 0 || boards.includes(board)) return 'no entries';
  const meant = nearest(board, boards);
  const advice = meant === undefined ? `there are: ${boards.join(', ')}` : `did you mean ${meant}?`;
  return safeLine(`no entries: there is no board '${board}'; ${advice}`);
}
