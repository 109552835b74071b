/**
 * Multicast DNS (RFC 6762): a service for each mesh, by which its members find each other, and one for all
 * nodes, by which two meshes of one LAN notice one another. Neither carries a secret: names are addresses
 * and PeerIds.
 */
import { createHash } from 'node:crypto';
import type { PeerDiscovery, PeerInfo } from '@libp2p/interface';
import { mdns } from '@libp2p/mdns';
import type { Multiaddr } from '@multiformats/multiaddr';
import { withPeer } from '../addresses/addresses.ts';
import { isPeerId } from '../peer-id.ts';
import { onEachInterface } from './multicast-send.ts';
import type { LanNode } from '../types.ts';

/** The service of nodes of whatever mesh. */
const ALL_NODES = '_starling._udp.local';
/** Addresses of one node that are looked at. */
const ADDRESSES_MAX = 16;

type Discovery = (components: Parameters<ReturnType<typeof mdns>>[0]) => PeerDiscovery;

/** The multicast DNS service of a mesh. */
function serviceOf(meshId: string): string {
  const hash = createHash('sha256').update(meshId).digest('hex');
  return `_starling-${hash.slice(0, 8)}._udp.local`;
}

/** Finds members of this mesh. It reports every sighting: libp2p itself tells only of peers new to it. */
export function meshOnLan(meshId: string, onPeer: (peer: PeerInfo) => void): Discovery {
  return (components) => {
    const service = mdns({ serviceTag: serviceOf(meshId) })(components);
    onEachInterface(service);
    service.addEventListener('peer', (event) => onPeer(event.detail));
    return service;
  };
}

/**
 * Finds nodes of whatever mesh, and lets them find this one if it `tells`. libp2p does not hear of them:
 * strangers have no place in its store of peers.
 */
export function nodesOnLan(
  { tells }: { readonly tells: boolean },
  onNode: (peer: PeerInfo) => void,
): Discovery {
  return (components) => {
    const service = mdns({ serviceTag: ALL_NODES, broadcast: tells })(components);
    onEachInterface(service);
    service.addEventListener('peer', (event) => onNode(event.detail));
    return silent(service);
  };
}

/** A node as multicast DNS has found it; undefined when it has no PeerId of ours or no address. */
export function lanNodeOf({ id, multiaddrs }: PeerInfo): LanNode | undefined {
  const peer = id.toString();
  if (!isPeerId(peer)) return undefined;
  const addresses = multiaddrs
    .slice(0, ADDRESSES_MAX)
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .map((address) => withPeer(address, peer).toString());
  return addresses.length === 0 ? undefined : { peer, addresses };
}

/** Plain IPv4 over TCP first, as people read it; loopback last, which another machine means of itself. */
function rankOf(address: Multiaddr): number {
  const parts = address.getComponents();
  const [first] = parts;
  const value = first?.value ?? '';
  if (value.startsWith('127.') || value === '::1') return 4;
  return (first?.name === 'ip4' ? 0 : 2) + (parts.some((part) => part.name === 'ws') ? 1 : 0);
}

/** Starts and stops a discovery whose findings stay with who made it. */
function silent(
  service: PeerDiscovery & { start?: () => unknown; stop?: () => unknown },
): PeerDiscovery {
  const target = Object.assign(new EventTarget(), {
    start: async () => {
      await service.start?.();
    },
    stop: async () => {
      await service.stop?.();
    },
  });
  // libp2p only listens for `peer`, which never comes.
  return target as unknown as PeerDiscovery;
}
