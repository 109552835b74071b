/**
 * From where a request may come: by a Host and from an Origin that we expect (MCP `transports`,
 * security: DNS rebinding), and from an address that the operator allows.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { StarlingError, printable } from '../../core/index.ts';
import type { DoorRefusal } from './types.ts';

/** What is expected. */
export interface OriginCheckInit {
  /** Address that we listen on. */
  readonly host: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  /** IP addresses and CIDR blocks; none: all may come. Loopback is no exception. */
  readonly allowedAddresses: readonly string[];
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Makes the check of places. */
export function createOriginCheck(
  init: OriginCheckInit,
): (request: IncomingMessage) => DoorRefusal | undefined {
  const hosts = new Set(
    [...LOOPBACK_NAMES, init.host, `[${init.host}]`, ...init.allowedHosts].map((host) =>
      host.toLowerCase(),
    ),
  );
  const origins = new Set(init.allowedOrigins);
  const isAllowedAddress = createAddressCheck(init.allowedAddresses);
  /** The last Host header that was one of ours: a client sends the same with each request. */
  let known: string | undefined;

  return (request) => {
    if (!isAllowedAddress(request.socket.remoteAddress)) {
      return forbidden('the address that this request comes from', 'http.allowedAddresses');
    }
    const { host = '', origin } = request.headers;
    if (host === known && origin === undefined) return undefined;
    const name = host.toLowerCase();
    if (!hosts.has(name.replace(/:\d+$/, '')) && !hosts.has(name)) {
      return forbidden(`the Host header names '${printable(host)}'`, 'http.allowedHosts');
    }
    known = host;
    if (origin !== undefined && !origins.has(origin) && !isOwnOrigin(origin, name, request)) {
      return forbidden(`the Origin header names '${printable(origin)}'`, 'http.allowedOrigins');
    }
    return undefined;
  };
}

/**
 * Says whether an address is one of `allowed`, which are addresses and CIDR blocks; each is when
 * there are none. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
 * @throws STARLING_CONFIG_INVALID
 */
export function createAddressCheck(
  allowed: readonly string[],
): (address: string | undefined) => boolean {
  if (allowed.length === 0) return () => true;
  const list = new BlockList();
  for (const entry of allowed) {
    const [text = '', bits] = entry.split('/');
    const version = isIP(text);
    if (version === 0) {
      throw new StarlingError(
        'STARLING_CONFIG_INVALID',
        `http.allowedAddresses: '${printable(entry)}' is no IP address or CIDR block`,
        { hint: 'use 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32' },
      );
    }
    const family = version === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(text, family);
    else list.addSubnet(text, Number(bits), family);
  }
  return (address) => {
    if (address === undefined) return false;
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}

/** Without its zone, and as IPv4 when it is mapped. */
export function plainAddress(address: string): string {
  const unzoned = address.replace(/%.*$/, '').toLowerCase();
  const mapped = unzoned.startsWith('::ffff:') ? unzoned.slice('::ffff:'.length) : '';
  return isIP(mapped) === 4 ? mapped : unzoned;
}

function forbidden(what: string, key: string): DoorRefusal {
  const text = key === 'http.allowedAddresses' ? `${what} is not allowed` : undefined;
  return {
    status: 403,
    error: new StarlingError(
      'STARLING_UNAUTHORIZED',
      text ?? `${what}, which this node does not expect`,
      { hint: `add it to ${key} if it is right` },
    ),
  };
}

/**
 * The origin of the very server that is asked (RFC 6454 §4): other ports of this machine are other origins,
 * and any program may serve pages there.
 */
function isOwnOrigin(origin: string, host: string, { socket }: IncomingMessage): boolean {
  const scheme = 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
  const own = `${scheme}://${host}`;
  return URL.canParse(origin) && URL.canParse(own) && new URL(own).origin === origin;
}
