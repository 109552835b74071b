/** `starling board history` */
import type { BoardHistoryResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, cut, print, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { showValue } from '../../options/board-value.ts';
import { namesOf } from './writer-names.ts';

const VALUE_MAX = 60;

/** Options of the command. */
interface HistoryOptions extends CommonOptions {
  readonly from?: string;
}

/** Prints who changed what when, the oldest first; a gap is said. With `--json` one change a line. */
export async function run(
  board: string,
  key: string | undefined,
  options: HistoryOptions,
): Promise<void> {
  const { pages, names } = await withNode(options, async (node) => {
    const read: BoardHistoryResult[] = [];
    for (let from = options.from ?? ''; ;) {
      const page: BoardHistoryResult = await node.builtin('board_history', {
        board,
        from,
        ...(key === undefined ? {} : { key }),
      });
      read.push(page);
      if (!page.more) break;
      from = page.next;
    }
    const isForPeople = options.json !== true;
    return { pages: read, names: isForPeople ? await namesOf(node) : new Map<string, string>() };
  });
  const changes = pages.flatMap((page) => page.changes);
  const isCut = pages[0]?.gap === true;
  if (options.json === true) {
    if (isCut) print(JSON.stringify({ gap: true }));
    for (const change of changes) print(JSON.stringify(change));
    return;
  }
  if (isCut) print('(older changes are kept no more)');
  if (changes.length === 0) {
    print('no changes are known');
    return;
  }
  const rows = changes.map(({ key: name, value, by, at }) => [
    name,
    value === undefined ? '(deleted)' : cut(showValue(value), VALUE_MAX),
    ago(at),
    names.get(by) ?? shortId(by),
  ]);
  print(table(['KEY', 'VALUE', 'WRITTEN', 'BY'], rows, { flexible: 1 }));
}
