/** `starling board info` */
import type { BoardInfoResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, printData, safeLine, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { namesOf } from './writer-names.ts';

/** Shows what a board holds, and who wrote how often. */
export async function run(board: string, options: CommonOptions): Promise<void> {
  const { info, names } = await withNode(options, async (node) => ({
    info: await node.builtin<BoardInfoResult>('board_info', { board }),
    names: options.json === true ? new Map<string, string>() : await namesOf(node),
  }));
  printData(info, options.json === true, () => {
    const nameOf = (did: string): string => names.get(did) ?? shortId(did);
    const creation =
      info.createdBy === undefined || info.createdAt === undefined
        ? 'began with its first entry'
        : `created by ${nameOf(info.createdBy)} ${ago(info.createdAt)}`;
    const writers = Object.entries(info.vector_clock).map(([did, count]) => [
      nameOf(did),
      String(count),
    ]);
    return [
      safeLine(`${info.name}: ${info.keys} entries, about ${info.bytes} bytes, ${creation}`),
      ...(writers.length === 0 ? [] : [table(['WRITER', 'WRITES'], writers)]),
    ].join('\n');
  });
}
