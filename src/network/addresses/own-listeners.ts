/** Which addresses lead to this very node: from this machine, whoever says that they are a peer's, and for others. Pure. */
import { isPrivate } from '@libp2p/utils';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '../../core/index.ts';
import { isRelayed, parseAddress, withPeer } from './addresses.ts';

/**
 * Whether a connection to `address`, or to the relay in it, would end at one of `listeners`, the places where
 * this node listens on the interfaces of its machine. Each machine has a loopback, and many a bridge of the same
 * address.
 */
export function isOwnListener(address: Multiaddr, listeners: readonly Multiaddr[]): boolean {
  const end = hostAndPort(address);
  if (end === undefined) return false;
  // Where this node is reached by way of a relay, the relay listens.
  return listeners.some((one) => !isRelayed(one) && hostAndPort(one) === end);
}

/** Host and port of the first hop; undefined where it has no TCP port. */
function hostAndPort(address: Multiaddr): string | undefined {
  const [host, port] = address.getComponents();
  if (host?.value === undefined || port?.name !== 'tcp') return undefined;
  return `${hereOf(host.value)} ${port.value}`;
}

/** IPv6's loopback by names that mean it; "any address" as a target is loopback, too. */
const LOOPBACK_6: readonly string[] = ['::1', '::', 'localhost'];

/** All loopback addresses as one of their family. */
function hereOf(host: string): string {
  const isIPv4 = host.startsWith('127.') || host === '0.0.0.0';
  // As the multiaddr of ::ffff:127.0.0.1 is written.
  if (isIPv4 || host.startsWith('::ffff:7f')) return '127.0.0.1';
  return LOOPBACK_6.includes(host) ? '::1' : host;
}

/**
 * What a node tells of itself, with its public listeners: libp2p tells those only once AutoNAT has confirmed them. An
 * address of an interface of this machine is told whatever its network, as private ones are.
 */
export function withPublicListeners(
  told: readonly Multiaddr[],
  listeners: readonly Multiaddr[],
  self: PeerId,
): Multiaddr[] {
  const isTold = new Set(told.map(String));
  const more = new Map<string, Multiaddr>();
  for (const listener of listeners) {
    if (isRelayed(listener) || isPrivate(listener)) continue;
    const address = withPeer(listener, self);
    if (!isTold.has(address.toString())) more.set(address.toString(), address);
  }
  return [...told, ...more.values()];
}

/** What a node tells of itself, with the addresses at which others have reached it. */
export function withReached(
  told: readonly Multiaddr[],
  reached: ReadonlySet<string>,
): readonly Multiaddr[] {
  if (reached.size === 0) return told;
  const isTold = new Set(told.map(String));
  return [...told, ...[...reached].filter((one) => !isTold.has(one)).map(parseAddress)];
}
