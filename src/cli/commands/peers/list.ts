/** `starling peers` */
import { shownName } from '../../../core/words/shown-name.ts';
import { placeOf } from '../../../core/words/places.ts';
import { clockText, isClockApart } from '../../../core/words/clock-offset.ts';
import type { PeerSummary, PeersResult } from '../../../builtin/results.ts';
import type { PeerView } from '../../../membership/types.ts';
import { ago, duration, printData, safeLine, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the peers. */
export async function run(options: CommonOptions & { readonly wide?: boolean }): Promise<void> {
  const result = await withNode(options, (node) => node.builtin<PeersResult>('peers'));
  printData(result, options.json === true, () => {
    if (result.peers.length === 0) {
      return 'no other peer has been seen yet; let one in with: starling invite';
    }
    const shown = options.wide === true ? wideTable(result.peers) : shortTable(result.peers);
    const clocks = result.peers.filter(isClockApart).map((peer) => safeLine(clockText(peer)));
    return [shown, ...clocks, ...result.peers.flatMap(conductLine)].join('\n');
  });
}

const HEAD = ['NAME', 'STATE', 'HEARTBEAT', 'RTT', 'ROUTE'];

function shortTable(peers: readonly PeerView[]): string {
  const rows = peers.map((peer) => [...row(peer), placeOf(peer.address ?? '–')]);
  return table([...HEAD, 'AT'], rows, { wrap: true });
}

/** Ids and multiaddrs whole: a line each, however long. */
function wideTable(peers: readonly PeerView[]): string {
  const rows = peers.flatMap((peer) => [
    [...row(peer), peer.peerId, peer.address ?? '–'],
    ...formerRows(peer),
  ]);
  return table([...HEAD, 'PEER ID', 'ADDRESS'], rows);
}

function row(peer: PeerView): string[] {
  return [
    shownName(peer),
    peer.state,
    ago(peer.lastHeartbeatAt),
    peer.rttMs === undefined ? '–' : `${peer.rttMs.toFixed(1)} ms`,
    peer.route ?? '–',
  ];
}

/** The keys that the peer had before. */
function formerRows({ alias, formerly = [] }: PeerView): string[][] {
  return formerly.map((peerId) => [alias, 'rotated', '–', '–', '–', peerId, '–']);
}

/** What the peer does too much of, and what becomes of it. */
function conductLine({ alias, conduct }: PeerSummary): string[] {
  if (conduct === undefined) return [];
  const { until, text } = conduct;
  const what = text === '' ? 'was kept out, and is here again on trial' : text;
  const end =
    until === undefined
      ? ''
      : `; it is kept out for ${duration(until - Date.now())}: starling peers forgive ${alias}`;
  return [safeLine(`! ${alias} ${what}${end}`)];
}
