/** `starling board replicas` */
import type { BoardReplicasResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { asSentence, printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { namesOf } from './writer-names.ts';

/** Options of the command. */
interface ReplicasOptions extends CommonOptions {
  /** Names with commas between. */
  readonly add?: string;
  readonly remove?: string;
}

/** Shows who keeps a strong board, or changes that. */
export async function run(board: string, options: ReplicasOptions): Promise<void> {
  const { result, names } = await withNode(options, async (node) => ({
    result: await node.builtin<BoardReplicasResult>('board_replicas', {
      board,
      ...(options.add === undefined ? {} : { add: namesIn(options.add) }),
      ...(options.remove === undefined ? {} : { remove: namesIn(options.remove) }),
    }),
    names: options.json === true ? new Map<string, string>() : await namesOf(node),
  }));
  printData(result, options.json === true, () => {
    const { length } = result.replicas;
    const all = result.replicas.map((did) => safeLine(names.get(did) ?? shortId(did)));
    return asSentence(
      `${safeLine(board)} is kept by ${all.join(', ')}: for each change ${Math.floor(length / 2) + 1} of ${length} must be there`,
    );
  });
}

function namesIn(text: string): readonly string[] {
  return text.split(',').map((name) => name.trim());
}
