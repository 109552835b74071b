/** `starling peers forgive` */
import type { PeerForgiveResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Forgives the peer, and says whether there was anything. */
export async function run(peer: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<PeerForgiveResult>('peer_forgive', { peer }),
  );
  printData(result, options.json === true, () =>
    asSentence(
      result.forgiven
        ? `${result.peer} is forgiven, and may come again`
        : `there was nothing to forgive ${result.peer}`,
    ),
  );
}
