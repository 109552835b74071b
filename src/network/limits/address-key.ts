/** Whom strangers' connections are counted under: those of one IPv4 address, or of one IPv6 /64. Pure. */
import type { Multiaddr } from '@multiformats/multiaddr';

/** How many of the eight groups of an IPv6 address name a network that one household or machine has. */
const IPV6_GROUPS = 4;
const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * The key of a remote address: `192.0.2.7`, `2001:db8:0:1::/64`, `::1` for IPv6's loopback; `relay <PeerId>` for a connection that
 * a relay brings; the whole address where it has no IP.
 */
export function addressKey(address: Multiaddr): string {
  const parts = address.getComponents();
  const circuit = parts.findIndex(({ name }) => name === 'p2p-circuit');
  if (circuit !== -1) {
    const relay = parts.slice(0, circuit).findLast(({ name }) => name === 'p2p');
    return `relay ${relay?.value ?? ''}`;
  }
  const ip = parts.find(({ name }) => name === 'ip4' || name === 'ip6');
  if (ip?.value === undefined) {
    return parts
      .filter(({ name }) => name !== 'p2p')
      .map(({ name, value = '' }) => `/${name}/${value}`)
      .join('');
  }
  return ipKey(ip.value);
}

/** The key of an IP address as text. */
export function ipKey(ip: string): string {
  return ip.includes(':') ? ipv6Key(ip) : ip;
}

/** Whether a key is a relay's: only members are relayed, so that such a connection is no stranger's. */
export function isRelayKey(key: string): boolean {
  return key.startsWith('relay ');
}

function ipv6Key(text: string): string {
  const mapped = IPV4_IN_IPV6.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = text.split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  const groups = all.map((group) => Number.parseInt(group, 16));
  if (groups.every((group, index) => group === (index === 7 ? 1 : 0))) return '::1';
  const network = groups.slice(0, IPV6_GROUPS);
  if (network.every((group) => group === 0)) return '::/64';
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
