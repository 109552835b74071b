/** `starling peers` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import { shownName } from '../../../core/words/shown-name.ts';
import { addressText } from '../../../core/words/address-text.ts';
import { clockText, isClockApart } from '../../../core/words/clock-offset.ts';
import type { PeerSummary, PeersResult } from '../../../builtin/results.ts';
import type { PeerView } from '../../../membership/types.ts';
import { ago, duration, printData, safeLine, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import { stateWord } from '../../terminal/peer-state.ts';
import { watchPeers } from './watch.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Options of the command. */
export interface PeersOptions extends CommonOptions {
  readonly wide?: boolean;
  readonly watch?: boolean;
  readonly offering?: string;
}

/** Prints the peers, once or until Ctrl-C. */
export async function run(options: PeersOptions): Promise<ExitCode> {
  const show = (result: PeersResult): string => shownPeers(result, options.wide === true);
  if (options.watch === true) return watchPeers(options, { show, key: changesOf });
  const { offering } = options;
  const asked = offering === undefined ? {} : { offering };
  const result = await withNode(options, (node) => node.builtin<PeersResult>('peers', asked));
  if (offering !== undefined && result.peers.length === 0 && options.json !== true) {
    printData(result, false, () => `no peer offers ${safeLine(offering)} now`);
    return 0;
  }
  printData(result, options.json === true, () => show(result));
  return 0;
}

/** What of the peers is news: not how long ago each was heard, nor a round trip that took longer. */
function changesOf({ peers }: PeersResult): string {
  return JSON.stringify(
    peers.map((peer) => [
      shownName(peer),
      peer.state,
      peer.route,
      peer.address,
      isClockApart(peer),
      peer.conduct?.state,
      peer.otherVersion?.text,
    ]),
  );
}

function shownPeers(result: PeersResult, isWide: boolean): string {
  if (result.peers.length === 0) {
    return 'no other peer has been seen yet; let one in with: starling invite';
  }
  const shown = isWide ? wideTable(result.peers) : shortTable(result.peers);
  const clocks = result.peers.filter(isClockApart).map((peer) => safeLine(clockText(peer)));
  const lines = result.peers.flatMap((peer) => [
    ...versionLine(peer),
    ...conductLine(peer),
    ...relayLine(peer),
  ]);
  return [shown, ...clocks, ...lines].join('\n');
}

/** The relay in a multiaddr (libp2p, `p2p-circuit`). */
const RELAY = /\/p2p\/([^/]+)\/p2p-circuit/;

const HEAD = ['NAME', 'STATE', 'HEARTBEAT', 'RTT', 'ROUTE'];

function shortTable(peers: readonly PeerView[]): string {
  const rows = peers.map((peer) => [...row(peer), placeOf(peer, peers)]);
  return table([...HEAD, 'AT'], rows, { wrap: true });
}

/** Where the peer is reached; of one behind a relay, by which peer. */
function placeOf({ address = '–' }: PeerView, peers: readonly PeerView[]): string {
  const [, relay] = RELAY.exec(address) ?? [];
  const by = peers.find(({ peerId }) => peerId === relay);
  return by === undefined ? addressText(address) : `through ${by.alias}`;
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
    stateWord(peer),
    ago(peer.lastHeartbeatAt),
    peer.rttMs === undefined ? '–' : `${peer.rttMs.toFixed(1)} ms`,
    peer.route ?? '–',
  ];
}

/** The keys that the peer had before. */
function formerRows({ alias, formerly = [] }: PeerView): string[][] {
  return formerly.map((peerId) => [alias, 'rotated', '–', '–', '–', peerId, '–']);
}

/** That neither lets the other in, with both versions. */
function versionLine({ otherVersion }: PeerSummary): string[] {
  if (otherVersion === undefined) return [];
  return [safeLine(`! ${otherVersion.text}; ${otherVersion.hint}`)];
}

/** Why there is no direct way. */
function relayLine({ alias, whyRelayed }: PeerSummary): string[] {
  return whyRelayed === undefined ? [] : [safeLine(`${alias} is relayed: ${whyRelayed}`)];
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
