/**
 * The ways to a peer, in the order in which they are tried: its direct addresses, then its relayed ones,
 * then through members that may hold a reservation of the peer, then what the DHT knows besides.
 */
import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId, Random } from '../../core/index.ts';
import { isRelayed, withPeer } from '../addresses/addresses.ts';
import {
  DIAL_TIMEOUT_MS,
  LOOKUP_TIMEOUT_MS,
  RELAY_DIAL_TIMEOUT_MS,
  RELAY_TRIES,
} from '../constants.ts';
import type { Links } from '../links/links.ts';
import { peerOf } from '../peer-id.ts';
import type { Host } from '../host/host.ts';
import { addressThrough } from '../host/relay.ts';

/** One way to a peer. */
export interface DialWay {
  /** For logs. */
  readonly name: string;
  readonly relayed: boolean;
  readonly timeoutMs: number;
  readonly addresses: (signal: AbortSignal) => Promise<readonly Multiaddr[]>;
}

/** Where ways are found. */
export interface DialWayComponents {
  readonly findPeer: Host['findPeer'];
  readonly links: Links;
  readonly random: Random;
}

/** Whom to reach. */
export interface DialWayInit {
  readonly peer: PeerId;
  /** Whether this node may use relays. */
  readonly relay: boolean;
  /** The addresses of the peer that are known, asked for when a way needs them. */
  readonly known: () => Promise<readonly Multiaddr[]>;
  /** Whether the DHT may be asked for a peer whose addresses are known and did not work. */
  readonly mayLookUp: () => boolean;
}

/** Gives the next way when the one before has failed; the DHT is asked last. */
export function* dialWays(
  { findPeer, links, random }: DialWayComponents,
  { peer, relay, known, mayLookUp }: DialWayInit,
): Generator<DialWay, void, undefined> {
  let tried: readonly Multiaddr[] = [];
  yield {
    name: 'direct',
    relayed: false,
    timeoutMs: DIAL_TIMEOUT_MS,
    addresses: async () => {
      tried = await known();
      return tried.filter((address) => !isRelayed(address));
    },
  };
  if (relay) {
    yield {
      name: 'announced relays',
      relayed: true,
      timeoutMs: RELAY_DIAL_TIMEOUT_MS,
      addresses: async () => (await known()).filter((address) => isRelayed(address)),
    };
    for (const connection of possibleRelays(links, peer, random)) {
      yield {
        name: `relay ${peerOf(connection)}`,
        relayed: true,
        timeoutMs: RELAY_DIAL_TIMEOUT_MS,
        addresses: () => Promise.resolve([addressThrough(connection, peer)]),
      };
    }
  }
  if (links.peers().length === 0 || (tried.length > 0 && !mayLookUp())) return;
  yield {
    name: 'DHT',
    relayed: false,
    timeoutMs: LOOKUP_TIMEOUT_MS,
    addresses: async (signal) => {
      const found = await findPeer(peer, { signal, dials: tried.length === 0 });
      const isTried = new Set(tried.map(String));
      return found
        .map((address) => withPeer(address, peer))
        .filter((address) => !isTried.has(address.toString()));
    },
  };
}

/** Direct connections to members that might relay, in random order. */
function possibleRelays(links: Links, target: PeerId, random: Random): Connection[] {
  return links
    .peers()
    .filter((peer) => peer !== target)
    .map((peer) => ({ connection: links.best(peer), order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .flatMap(({ connection }) => (connection?.direct === true ? [connection] : []))
    .slice(0, RELAY_TRIES);
}
