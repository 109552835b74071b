/** `starling peers rename` */
import type { PeerRenameResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Calls the peer otherwise here, and says what that changes. */
export async function run(peer: string, name: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<PeerRenameResult>('peer_rename', { peer, name }),
  );
  printData(result, options.json === true, () =>
    asSentence(
      `${result.before} is called ${result.peer} here: its tools begin with ${result.peer}__, and a policy that names peer:${result.before} must name peer:${result.peer}`,
    ),
  );
}
