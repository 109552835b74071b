/** Which addresses lead from this machine to this very node, whoever says that they are a peer's. Pure. */
import type { Multiaddr } from '@multiformats/multiaddr';
import { isRelayed } from './addresses.ts';

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
