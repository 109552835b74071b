/** `starling peers show` */
import type { GrantSummary, MemberSummary, PeerShowResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { rightsText } from '../../terminal/rights.ts';
import { stateWord } from '../../terminal/peer-state.ts';
import { ago, duration, facts, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints all that is known of one peer. */
export async function run(peer: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<PeerShowResult>('peer_show', { peer }),
  );
  printData(result, options.json === true, () => describePeer(result));
}

/** All that is known of one peer, a fact a line. */
export function describePeer(result: PeerShowResult): string {
  return facts(rowsOf(result));
}

function rowsOf({ peer, member, grants }: PeerShowResult): readonly [string, string][] {
  const { alias, presence, callsUs, peerId, did, formerly = [], rttMs, route, conduct } = peer;
  const own = presence?.name;
  const isOther = own !== undefined && own !== alias;
  const rows: [string, string | undefined][] = [
    ['name', isOther ? `${alias} (it calls itself ${own})` : alias],
    ['calls us', callsUs],
    ['id', shortId(peerId)],
    ['PeerId', peerId],
    ['identity', did],
    ...formerly.map((one): [string, string] => ['formerly', one]),
    ['state', `${stateWord(peer)}, last heard ${ago(peer.lastHeartbeatAt)}`],
    ['version', presence?.version],
    ['address', peer.address],
    ['route', route === undefined ? undefined : `${route}${rttText(rttMs)}`],
    ['member', member === undefined ? undefined : memberText(member)],
    ['conduct', conduct?.text],
    ...grants.map((grant): [string, string] => [
      grant.direction === 'issued' ? 'may' : 'lets us',
      grantText(grant),
    ]),
  ];
  return rows.flatMap(([label, text]): [string, string][] =>
    text === undefined || text === '' ? [] : [[label, text]],
  );
}

function rttText(rttMs: number | undefined): string {
  return rttMs === undefined ? '' : `, ${rttMs.toFixed(1)} ms`;
}

function memberText({ isFounder, by = '', since, canInvite }: MemberSummary): string {
  const how = isFounder ? 'founded the mesh' : `let in by ${by}`;
  return `${how} ${ago(since)}${canInvite ? '' : ', may not invite'}`;
}

function grantText({ id, capabilities, renewed, expiresAt }: GrantSummary): string {
  const end = renewed ? 'renewed' : `for ${duration(expiresAt - Date.now())}`;
  return `${rightsText(capabilities)} (${id.slice(0, 8)}, ${end})`;
}
