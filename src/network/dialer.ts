/**
 * Reaching a peer: its direct addresses, then its relayed ones, then through members that may hold a
 * reservation of it, then what the DHT knows. One dial at a time per peer; every way ends admitted.
 */
import { peerIdFromString } from '@libp2p/peer-id';
import type { Connection, Libp2p } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Logger, PeerId, Random } from '../core/index.ts';
import { isRelayed, parseAddress, peerIn, withPeer, withoutPeer } from './addresses.ts';
import {
  ADDRESSES_PER_PEER_MAX,
  DIAL_TIMEOUT_MS,
  LOOKUP_TIMEOUT_MS,
  RELAY_DIAL_TIMEOUT_MS,
  REDIAL_TARGETS_MAX,
  RELAY_TRIES,
} from './constants.ts';
import { abortReason, raceAbort } from './gate.ts';
import type { Gate } from './gate.ts';
import type { Links } from './links.ts';
import { isPeerId, peerOf } from './peer-id.ts';
import { addressThrough } from './relay.ts';

/** Of so many dials that found somebody else, one meets them. */
const MEET_EVERY = 16;

/** What libp2p says by way of its own parts, and what that means to whoever reads it. */
const WORDS: readonly (readonly [theirs: string, ours: string])[] = [
  ['Can not dial self', 'an address of it leads back to this node'],
  ['Unexpected Peer', 'another node is at its address'],
  ['The connection gater denied', 'none of its addresses may be dialled from here'],
];

/** What dialling needs. */
export interface DialerComponents {
  readonly node: Libp2p;
  readonly gate: Gate;
  readonly links: Links;
  readonly random: Random;
  readonly logger: Logger;
}

/** Limits of the dialer. */
export interface DialerInit {
  readonly self: PeerId;
  readonly connections: number;
  readonly relay: boolean;
  /** Ends all dials: fires when the network stops. */
  readonly signal: AbortSignal;
  /** True for a peer that was disconnected for good. */
  readonly isDenied: (peer: PeerId) => boolean;
  /** Hears of every dial that failed. */
  readonly onFailed: (address: string, error: Error) => void;
}

/** How a dial is done. */
interface DialOptions {
  readonly signal: AbortSignal;
  /** Dial the direct addresses even when the peer is reached through a relay already. */
  readonly upgrade?: boolean;
}

/** Dials. */
export interface Dialer {
  /** Resolves once admitted. @throws STARLING_PEER_UNREACHABLE or the code of the refusal */
  dial(target: string, options: DialOptions): Promise<PeerId>;
  /** Remembers addresses of a peer in place of those remembered before. */
  learn(peer: PeerId, addresses: readonly string[]): void;
  /** True when a direct address of `peer` is known. */
  hasDirectAddress(peer: PeerId): boolean;
}

/** Makes the dialer. */
export function createDialer(components: DialerComponents, init: DialerInit): Dialer {
  const { node, links, logger } = components;
  const learned = new Map<PeerId, readonly Multiaddr[]>();
  const underWay = new Map<string, Promise<PeerId>>();
  /** How often somebody else was found where a peer should be. */
  const taken = new Map<PeerId, number>();

  const addressesOf = async (peer: PeerId): Promise<Multiaddr[]> => {
    const known = new Map<string, Multiaddr>();
    for (const address of learned.get(peer) ?? []) known.set(address.toString(), address);
    const id = peerIdFromString(peer);
    if (await node.peerStore.has(id)) {
      for (const { multiaddr } of (await node.peerStore.get(id)).addresses) {
        const address = withPeer(multiaddr, peer);
        known.set(address.toString(), address);
      }
    }
    return [...known.values()];
  };

  const reachAddress = async (address: Multiaddr, signal: AbortSignal): Promise<PeerId> =>
    peerOf(await connect(components, [address], signal));

  /**
   * Somebody else is where `peer` was. If it is the same node with another key, it says so when we
   * meet: so we do, the first time and seldom afterwards.
   */
  const meetWhoIsThere = async (
    peer: PeerId,
    addresses: readonly Multiaddr[],
    signal: AbortSignal,
  ): Promise<void> => {
    const times = taken.get(peer) ?? 0;
    taken.delete(peer);
    taken.set(peer, times + 1);
    const [oldest] = taken.size > REDIAL_TARGETS_MAX ? taken.keys() : [];
    if (oldest !== undefined) taken.delete(oldest);
    if (times % MEET_EVERY !== 0) return;
    try {
      const found = peerOf(await connect(components, addresses.map(withoutPeer), signal));
      logger.info({ peer, found }, 'another peer is where this one was');
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'a stranger is where a peer was');
    }
  };

  const reachPeer = async (
    peer: PeerId,
    extra: readonly Multiaddr[],
    options: DialOptions,
  ): Promise<PeerId> => {
    const failures: unknown[] = [];
    for (const way of waysTo(components, init, peer, extra, addressesOf)) {
      if (way.relayed && options.upgrade === true) break;
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(way.timeoutMs)]);
      let addresses: readonly Multiaddr[] = [];
      try {
        addresses = await way.addresses(signal);
        if (addresses.length === 0) continue;
        return peerOf(await connect(components, addresses, signal));
      } catch (error) {
        logger.debug({ peer, way: way.name, error: messageOf(error) }, 'a way to a peer failed');
        failures.push(error);
        if (isRefusal(error)) throw error;
        if (!way.relayed && isOtherKey(error)) await meetWhoIsThere(peer, addresses, signal);
        if (options.signal.aborted) break;
      }
    }
    throw unreachable(peer, failures);
  };

  const reach = async (target: string, options: DialOptions): Promise<PeerId> => {
    const address = target.startsWith('/') ? parseAddress(target) : undefined;
    const peer = address === undefined ? parsePeer(target) : peerIn(address);
    if (peer === init.self) {
      throw new StarlingError('STARLING_USAGE', `${target} is this node itself`);
    }
    if (peer !== undefined && options.upgrade !== true && links.best(peer) !== undefined) {
      return peer;
    }
    if (peer !== undefined && init.isDenied(peer)) {
      throw new StarlingError('STARLING_JOIN_REFUSED', `${peer} is no member of this mesh`);
    }
    checkLimit(node, init.connections);
    const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
    const signal = AbortSignal.any([options.signal, timeout]);
    try {
      if (peer === undefined && address !== undefined) return await reachAddress(address, signal);
      if (peer === undefined)
        throw new StarlingError('STARLING_ID_MALFORMED', `${target} is no peer`);
      return await reachPeer(peer, address === undefined ? [] : [address], { ...options, signal });
    } catch (error) {
      const failure = error instanceof StarlingError ? error : unreachable(target, [error]);
      init.onFailed(target, failure);
      throw failure;
    }
  };

  return {
    async dial(target, options) {
      if (options.signal.aborted) throw abortReason(options.signal);
      // Several may wait for one dial, so nobody's signal ends it but the network's own.
      const own = { ...options, signal: init.signal };
      const dialled =
        underWay.get(target) ?? reach(target, own).finally(() => underWay.delete(target));
      underWay.set(target, dialled);
      return raceAbort(dialled, options.signal);
    },
    learn(peer, addresses) {
      const parsed: Multiaddr[] = [];
      for (const text of addresses) {
        try {
          const address = parseAddress(text);
          if ((peerIn(address) ?? peer) === peer) parsed.push(withPeer(address, peer));
        } catch (error) {
          logger.debug({ peer, error: messageOf(error) }, 'a peer announced an odd address');
        }
      }
      if (parsed.length === 0) return;
      learned.delete(peer);
      learned.set(peer, parsed.slice(0, ADDRESSES_PER_PEER_MAX));
      // Multicast DNS tells of anybody: the oldest goes.
      const [oldest] = learned.size > REDIAL_TARGETS_MAX ? learned.keys() : [];
      if (oldest !== undefined) learned.delete(oldest);
    },
    hasDirectAddress: (peer) => (learned.get(peer) ?? []).some((address) => !isRelayed(address)),
  };
}

/** True when the other side answered and said no. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  return !['STARLING_PEER_UNREACHABLE', 'STARLING_TIMEOUT', 'STARLING_LIMIT_EXCEEDED'].includes(
    error.code,
  );
}

/** True when the other end has not proven the key that was asked for. */
function isOtherKey(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isOtherKey);
  return error instanceof Error && error.name === 'EncryptionFailedError';
}

/** One way to try. */
interface Way {
  readonly name: string;
  readonly relayed: boolean;
  readonly timeoutMs: number;
  readonly addresses: (signal: AbortSignal) => Promise<readonly Multiaddr[]>;
}

function* waysTo(
  components: DialerComponents,
  init: DialerInit,
  peer: PeerId,
  extra: readonly Multiaddr[],
  addressesOf: (peer: PeerId) => Promise<readonly Multiaddr[]>,
): Generator<Way, void, undefined> {
  const { node, links, random } = components;
  let knowsNone = false;
  const known = async (): Promise<readonly Multiaddr[]> => [...extra, ...(await addressesOf(peer))];

  yield {
    name: 'direct',
    relayed: false,
    timeoutMs: DIAL_TIMEOUT_MS,
    addresses: async () => {
      const addresses = await known();
      knowsNone = addresses.length === 0;
      return addresses.filter((address) => !isRelayed(address));
    },
  };
  if (init.relay) {
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
  if (!knowsNone || links.peers().length === 0) return;
  yield {
    name: 'DHT',
    relayed: false,
    timeoutMs: LOOKUP_TIMEOUT_MS,
    addresses: async (signal) => {
      const found = await node.peerRouting.findPeer(peerIdFromString(peer), { signal });
      return found.multiaddrs.map((address) => withPeer(address, peer));
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

/** Dials the first of `addresses` that answers, and waits until the hello went well. */
async function connect(
  components: DialerComponents,
  addresses: readonly Multiaddr[],
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await components.node.dial([...addresses], { signal });
  await components.gate.admitted(connection, signal);
  return connection;
}

function checkLimit(node: Libp2p, connections: number): void {
  if (node.getConnections().length >= connections) {
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `All ${connections} connections to peers are in use`,
      { hint: 'Raise `limits.connections` in the configuration' },
    );
  }
}

function parsePeer(text: string): PeerId {
  if (isPeerId(text)) return text;
  throw new StarlingError('STARLING_ID_MALFORMED', `${text} is no PeerId and no multiaddr`, {
    hint: 'A PeerId looks like 12D3KooW…, a multiaddr like /ip4/192.0.2.7/tcp/4040/p2p/12D3KooW…',
  });
}

function unreachable(target: string, failures: readonly unknown[]): StarlingError {
  const reasons = new Set(failures.flatMap(reasonsOf));
  const why =
    reasons.size === 0 ? 'no address of it is known' : [...reasons].slice(0, 4).join('; ');
  return new StarlingError('STARLING_PEER_UNREACHABLE', `Can't reach ${target}: ${why}`, {
    hint: 'Check that the node runs there and that its address and port are right',
    data: { peer: target, reason: why },
    cause: failures[0],
  });
}

function reasonsOf(error: unknown): string[] {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.flatMap(reasonsOf);
  }
  const text = messageOf(error);
  return [WORDS.find(([theirs]) => text.startsWith(theirs))?.[1] ?? text];
}
