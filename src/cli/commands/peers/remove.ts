/** `starling peers remove` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { MemberSummary, MembersResult, PeerRemoveResult } from '../../../builtin/results.ts';
import { localTime } from '../../../core/time/local-time.ts';
import { isShortIdOf, shortId } from '../../../identity/short-id.ts';
import { ask, canAsk, nobodyAgreed } from '../../terminal/questions/ask.ts';
import { asSentence, printData, safeLine, tell } from '../../terminal/output.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface RemoveOptions extends CommonOptions {
  readonly reason?: string;
  readonly yes?: boolean;
}

/** Puts the peer out once that is agreed, and says what ended with it. */
export async function run(peer: string, options: RemoveOptions): Promise<ExitCode | void> {
  const { reason } = options;
  const result = await withNode(options, async (node) => {
    if (!(await isAgreed(node, peer, options))) return undefined;
    return node.builtin<PeerRemoveResult>('peer_remove', {
      peer,
      ...(reason === undefined ? {} : { reason }),
    });
  });
  if (result === undefined) {
    tell('nothing was changed');
    return 1;
  }
  printData(result, options.json === true, () => describeRemoval(result));
}

async function isAgreed(
  node: NodeClient,
  peer: string,
  { yes, json }: RemoveOptions,
): Promise<boolean> {
  if (yes === true) return true;
  const { members } = await node.builtin<MembersResult>('members');
  const question = removalQuestion(peer, members);
  // The node says what is wrong with somebody whom it does not know or who is out.
  if (question === undefined) return true;
  if (json === true || !canAsk()) {
    tell(safeLine(question));
    throw nobodyAgreed('putting a peer out ends what is said above');
  }
  return (await ask(safeLine(question), ['no', 'yes'])) === 'yes';
}

/** What a person is asked; undefined where `peer` is no member. */
export function removalQuestion(
  peer: string,
  members: readonly MemberSummary[],
): string | undefined {
  const known = members.filter(({ state }) => state === 'member');
  const found = known.find(
    ({ name, peerId, did }) => [name, peerId, did].includes(peer) || isShortIdOf(peer, peerId),
  );
  if (found === undefined) return undefined;
  const out = new Set([found.name]);
  // Each round finds those that the ones of the round before let in.
  for (let size = 0; size !== out.size;) {
    size = out.size;
    for (const { name, by } of known) if (by !== undefined && out.has(by)) out.add(name);
  }
  const below = [...out].slice(1);
  const more = below.length === 0 ? '' : ` With it go those whom it let in: ${below.join(', ')}.`;
  return `Put ${found.name} (${shortId(found.peerId)}) out of the mesh?${more} The grants that this node gave it end; a new ticket lets it in again.`;
}

/** Who is out, and what ended with that, a line each. */
export function describeRemoval(result: PeerRemoveResult): string {
  const who = `${result.peer} (${shortId(result.peerId)})`;
  const { since } = result;
  if (since !== undefined)
    return asSentence(
      `${who} was out of the mesh already, since ${localTime(since.at)}, by ${since.by}`,
    );
  return [`${who} is out of the mesh`, ...endedBy(result)].map(asSentence).join('\n');
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
