/** Where a node is called, in few words: people read `192.0.2.7:4040`, and not a multiaddr. */

const LOOPBACK = /^(?:127\.|\[::1\]|localhost:)/;
const RELAYED = 'through a relay';

/**
 * The place of a multiaddr as people write places: `192.0.2.7:4040`, `[2001:db8::7]:4040`,
 * `192.0.2.7:4041 (ws)`, `through a relay`. Text that is no such multiaddr stays as it is.
 */
export function addressText(multiaddr: string): string {
  if (multiaddr.includes('/p2p-circuit')) return RELAYED;
  const [, kind, host, transport, port, ...rest] = multiaddr.split('/');
  if (kind === undefined || host === undefined || port === undefined) return multiaddr;
  if (!/^(?:ip4|ip6|dns|dns4|dns6)$/.test(kind) || transport !== 'tcp') return multiaddr;
  const form = rest.includes('wss') || rest.includes('tls') ? ' (wss)' : '';
  const way = form === '' && rest.includes('ws') ? ' (ws)' : form;
  return `${kind === 'ip6' ? `[${host}]` : host}:${port}${way}`;
}

/**
 * The places of several multiaddrs, each once, relays last; those of this machine alone only where there is
 * no other.
 */
export function addressTexts(multiaddrs: readonly string[]): readonly string[] {
  const places = [...new Set(multiaddrs.map(addressText))];
  const far = places.filter((place) => !LOOPBACK.test(place));
  const named = far.some((place) => place !== RELAYED) ? far : places;
  // A relay is the last resort, and says nothing to copy.
  return named.toSorted((a, b) => Number(a === RELAYED) - Number(b === RELAYED));
}

/** Some things by name, the others by their number: `a, b and 3 more`. */
export function someOf(things: readonly string[], max: number): string {
  const shown = things.slice(0, max).join(', ');
  const rest = things.length - max;
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
