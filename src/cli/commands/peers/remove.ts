/** `starling peers remove` */
import type { PeerRemoveResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Puts the peer out, and says what ended with it. */
export async function run(
  peer: string,
  options: CommonOptions & { readonly reason?: string },
): Promise<void> {
  const { reason } = options;
  const result = await withNode(options, (node) =>
    node.builtin<PeerRemoveResult>('peer_remove', {
      peer,
      ...(reason === undefined ? {} : { reason }),
    }),
  );
  printData(result, options.json === true, () => describeRemoval(result));
}

/** Who is out, and what ended with that, a line each. */
export function describeRemoval(result: PeerRemoveResult): string {
  return [`${result.peer} (${shortId(result.peerId)}) is out of the mesh`, ...endedBy(result)]
    .map(safeLine)
    .join('\n');
}

function endedBy({ members, grants, tickets, connections }: PeerRemoveResult): readonly string[] {
  const lines = [
    ...(members.length === 0 ? [] : [`  out with it, whom it let in: ${members.join(', ')}`]),
    ...(grants.length === 0 ? [] : [`  ${count(grants, 'grant')} of this node to it ended`]),
    ...(tickets.length === 0 ? [] : [`  ${count(tickets, 'open ticket')} of it ended`]),
    ...(connections === 0 ? [] : ['  its connection was closed']),
  ];
  return lines.length === 0 ? ['  nothing else ended with it'] : lines;
}

function count(ids: readonly string[], what: string): string {
  const shown = ids.map((id) => id.slice(0, 8)).join(', ');
  return `${ids.length} ${what}${ids.length === 1 ? '' : 's'} (${shown})`;
}
