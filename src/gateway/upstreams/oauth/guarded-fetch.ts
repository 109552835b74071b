/**
 * A `fetch` for OAuth documents and tokens, whose URLs come from servers that may mean harm: https
 * or loopback only, no redirects, small answers, and no way into networks that the MCP server itself
 * is not in (server-side request forgery; MCP security best practices). An address of the operator's choice may be in any.
 */
import { lookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import { lookup as lookupNow } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { StarlingError } from '../../../core/index.ts';
import type { Clock } from '../../../core/index.ts';
import { failureText } from '../../wire/failure-words.ts';
import { createExchanger, headerOf, readBody } from '../url/http-exchange.ts';
import type { Exchanger } from '../url/http-exchange.ts';

const TIMEOUT_MS = 15_000;
const BODY_BYTES_MAX = 1024 * 1024;

/** A `fetch` that only asks where it may. */
export type GuardedFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** In which kind of network a host is. */
type Zone = 'loopback' | 'inside' | 'link-local' | 'outside';

const LOOPBACK = blockList(['127.0.0.0', 8, 'ipv4'], ['::1', 128, 'ipv6']);
const LINK_LOCAL = blockList(['169.254.0.0', 16, 'ipv4'], ['fe80::', 10, 'ipv6']);
/** Private and special-purpose networks (RFC 1918, 6598, 4193, 6890). */
const INSIDE = blockList(
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
);

/**
 * Makes a guarded fetch for the MCP server at `serverUrl`. `chosen` is an address that the operator has configured, so that
 * no server can have named it. `close` ends the connections, and refuses what is asked later.
 */
export function createGuardedFetch(
  components: { readonly clock: Clock },
  init: { readonly serverUrl: URL; readonly chosen?: URL },
): { readonly fetch: GuardedFetch; close(): void } {
  const { hostname } = init.serverUrl;
  // Before the server's network is known, only the outside may be reached.
  let server: Zone = 'outside';
  const exchanger = createExchanger({
    clock: components.clock,
    lookup: guardedLookup(() => server),
  });
  const free = createExchanger(components);
  let isClosed = false;
  return {
    async fetch(url, options) {
      if (isClosed) throw new StarlingError('STARLING_STOPPED', 'the node stops');
      const target = new URL(url);
      if (target.href === init.chosen?.href) return ask(free, target, options ?? {});
      server = await zoneOfHost(hostname);
      const literal = bare(target.hostname);
      if (isIP(literal) !== 0) checkOrigin(server, zoneOf(literal), literal);
      return ask(exchanger, target, options ?? {});
    },
    close() {
      isClosed = true;
      exchanger.close();
      free.close();
    },
  };
}

/**
 * Checks that a browser or we may be sent to `url`. @throws STARLING_UPSTREAM_INVALID when it is not
 * https, or http to this machine
 */
export function checkOauthUrl(url: URL): void {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackName(url.hostname))) {
    return;
  }
  throw refused(`${url.protocol}//${url.host} is not https`);
}

async function ask(exchanger: Exchanger, url: URL, options: RequestInit): Promise<Response> {
  checkOauthUrl(url);
  const body = options.body instanceof URLSearchParams ? options.body.toString() : options.body;
  const { reply } = exchanger.start({
    method: options.method === 'POST' ? 'POST' : 'GET',
    url,
    headers: Object.fromEntries(new Headers(options.headers)),
    ...(typeof body === 'string' ? { body: Buffer.from(body) } : {}),
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const answer = await reply;
    const bytes = await readBody(answer, BODY_BYTES_MAX);
    const type = headerOf(answer, 'content-type');
    return new Response(bytes.length === 0 ? null : new Uint8Array(bytes), {
      // A redirect is no success, and nobody follows it.
      status: answer.status,
      headers: type === undefined ? {} : { 'content-type': type },
    });
  } catch (error) {
    if (error instanceof StarlingError) throw error;
    throw new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `${url.host} can't be reached: ${failureText(error)}`,
    );
  }
}

/** Resolves names as ever, but refuses addresses where the server has no business to send us. */
function guardedLookup(server: () => Zone): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) {
        callback(error, '');
        return;
      }
      try {
        for (const { address } of found) checkOrigin(server(), zoneOf(address), hostname);
      } catch (refusal) {
        callback(refusal as Error, '');
        return;
      }
      if (options.all === true) callback(null, found);
      else callback(null, found[0]?.address ?? '', found[0]?.family);
    });
  };
}

/** @throws STARLING_UPSTREAM_INVALID */
function checkOrigin(server: Zone, target: Zone, host: string): void {
  const allowed =
    target === 'outside' || target === server || (target === 'inside' && server === 'loopback');
  if (!allowed) throw refused(`${host} is in a network that the server itself is not in`);
}

async function zoneOfHost(hostname: string): Promise<Zone> {
  const host = bare(hostname);
  if (isIP(host) !== 0) return zoneOf(host);
  try {
    return zoneOf((await lookupNow(host)).address);
  } catch (error) {
    throw new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `${host}: ${failureText(error)}`);
  }
}

/** The network of an address. `BlockList.check` reads an IPv4 address that is written as IPv6. */
function zoneOf(host: string): Zone {
  const family = isIP(host) === 6 ? 'ipv6' : 'ipv4';
  if (LOOPBACK.check(host, family)) return 'loopback';
  if (LINK_LOCAL.check(host, family)) return 'link-local';
  return INSIDE.check(host, family) ? 'inside' : 'outside';
}

function isLoopbackName(hostname: string): boolean {
  const host = bare(hostname);
  return host === 'localhost' || (isIP(host) !== 0 && zoneOf(host) === 'loopback');
}

/** A host as it is without the brackets that URLs put around IPv6. */
function bare(hostname: string): string {
  return hostname.replaceAll(/^\[|\]$/g, '');
}

function blockList(
  ...subnets: readonly (readonly [net: string, prefix: number, family: 'ipv4' | 'ipv6'])[]
): BlockList {
  const list = new BlockList();
  for (const [net, prefix, family] of subnets) list.addSubnet(net, prefix, family);
  return list;
}

function refused(what: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_INVALID', `we do not go where ${what}`, {
    hint: 'check what the server names as its authorization server',
  });
}
