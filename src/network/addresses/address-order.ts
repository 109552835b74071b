/**
 * In which order this node tells its addresses, the most useful first: a ticket and a heartbeat have room
 * for a few of them. Pure.
 */
import type { NetworkInterfaceInfo } from 'node:os';
import type { Multiaddr } from '@multiformats/multiaddr';
import { BRIDGES } from '../../core/index.ts';
import { isRelayed } from './addresses.ts';

/** What a machine knows of its own places in the network. */
export interface LocalPlaces {
  /** As `os.networkInterfaces()` gives them. */
  readonly interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
  /** The addresses that connections into the wide network start from: the default routes' own. */
  readonly defaultSources: ReadonlySet<string>;
  /** Hosts that the operator announces. */
  readonly announced: ReadonlySet<string>;
}

/** How useful a host is to others; the lower the better. */
const RANKS = [
  'announced',
  'observed',
  'default',
  'lan',
  'relayed',
  'bridge',
  'loopback',
  'relayed here',
] as const;
type Rank = (typeof RANKS)[number];

interface Place {
  readonly rank: Rank;
  /** One host, however many addresses: an interface and its kind of addresses, or a name. */
  readonly host: string;
}

/**
 * Announced before observed (what peers saw), the default route's interface, other networks, relays,
 * bridges and loopback. Of each of these the first address of every host comes before any second one. A way
 * through a relay's loopback leads anybody else to their own machine, and is left out, or the last where all is loopback.
 */
export function inOrderOfUse(addresses: readonly Multiaddr[], places: LocalPlaces): Multiaddr[] {
  const byRank = new Map<Rank, Map<string, Multiaddr[]>>(RANKS.map((rank) => [rank, new Map()]));
  for (const address of withoutForeignLoopback(addresses)) {
    const { rank, host } = placeOf(address, places);
    const hosts = byRank.get(rank);
    hosts?.set(host, [...(hosts.get(host) ?? []), address]);
  }
  // A name and a place on the way out are each worth more than a second port of the same one.
  const outside = ['announced', 'observed', 'default', 'lan'] as const;
  const groups: Multiaddr[][] = outside.flatMap((rank) => hostsOf(byRank, rank));
  return [
    ...inTurns(groups),
    ...(['relayed', 'bridge', 'loopback', 'relayed here'] as const).flatMap((rank) =>
      inTurns(hostsOf(byRank, rank)),
    ),
  ];
}

function withoutForeignLoopback(addresses: readonly Multiaddr[]): readonly Multiaddr[] {
  if (addresses.every((address) => isLoopback(address.getComponents()[0]?.value))) return addresses;
  return addresses.filter(
    (address) => !isRelayed(address) || !isLoopback(address.getComponents()[0]?.value),
  );
}

function isLoopback(host = ''): boolean {
  return host.startsWith('127.') || host === '::1';
}

function hostsOf(
  byRank: ReadonlyMap<Rank, ReadonlyMap<string, Multiaddr[]>>,
  rank: Rank,
): Multiaddr[][] {
  return [...(byRank.get(rank)?.values() ?? [])];
}

function inTurns(groups: readonly (readonly Multiaddr[])[]): Multiaddr[] {
  const longest = Math.max(0, ...groups.map((group) => group.length));
  return Array.from({ length: longest }, (_, turn) =>
    groups.flatMap((group) => group.slice(turn, turn + 1)),
  ).flat();
}

function placeOf(address: Multiaddr, places: LocalPlaces): Place {
  const [first] = address.getComponents();
  const value = first?.value ?? address.toString();
  if (isRelayed(address)) {
    return { rank: isLoopback(value) ? 'relayed here' : 'relayed', host: value };
  }
  const { interfaces, defaultSources, announced } = places;
  if (announced.has(value)) return { rank: 'announced', host: value };
  if (isLoopback(value)) return { rank: 'loopback', host: value };
  if (first?.name !== 'ip4' && first?.name !== 'ip6') return { rank: 'observed', host: value };
  const name = Object.keys(interfaces).find((one) =>
    interfaces[one]?.some((info) => info.address === value),
  );
  if (name === undefined) return { rank: 'observed', host: value };
  if (BRIDGES.test(name)) return { rank: 'bridge', host: `${name} ${first.name}` };
  if (defaultSources.has(value)) return { rank: 'default', host: value };
  return { rank: 'lan', host: `${name} ${first.name}` };
}
