/** How this node looks from outside: the IP addresses at which those that it has dialled see it. Pure. */
import { isIP, isIPv4 } from 'node:net';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '../../core/index.ts';

/** Where this node is seen. */
export interface Outside {
  /** `peer` sees this node at `ip`. What is no address of a machine on a network is left out. */
  seen(peer: PeerId, ip: string): void;
  /** Nothing connects this node and the peer any more, so that it may be seen elsewhere meanwhile. */
  gone(peer: PeerId): void;
  /** At which address of each family most see this node; IPv4 first. */
  ips(): readonly string[];
  /** At which address this one sees the node. */
  by(peer: PeerId): string | undefined;
}

/** Nobody has said anything yet. */
export function createOutside(): Outside {
  const seenBy = new Map<PeerId, string>();
  return {
    seen(peer, ip) {
      if (isOfMachine(ip)) seenBy.set(peer, ip);
    },
    gone: (peer) => {
      seenBy.delete(peer);
    },
    ips() {
      const all = [...seenBy.values()];
      const families = [all.filter((ip) => isIPv4(ip)), all.filter((ip) => !isIPv4(ip))];
      return families.flatMap((family) => mostOften(family) ?? []);
    },
    by: (peer) => seenBy.get(peer),
  };
}

/** The IP address at the beginning of a multiaddr; undefined where there is none, as of a name. */
export function ipOf(address: Multiaddr): string | undefined {
  const [first] = address.getComponents();
  return (first?.name === 'ip4' || first?.name === 'ip6') && first.value !== undefined
    ? first.value
    : undefined;
}

/** True of an IP address that is one machine's on some network: no loopback, no multicast, no "any". */
export function isOfMachine(ip: string): boolean {
  if (isIP(ip) === 0) return false;
  if (isIPv4(ip)) {
    const first = Number(ip.split('.', 1)[0]);
    return first !== 0 && first !== 127 && first < 224;
  }
  return !NO_MACHINE_6.test(ip.toLowerCase());
}

/** IPv6: any and loopback however written, mapped IPv4, multicast, and what holds on one link only. */
const NO_MACHINE_6 = /^(?:[0:]+1?$|[0:]*:ffff:|ff|fe[89ab])/;

function mostOften(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}
