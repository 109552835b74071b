/** Where an authorization server's keys are, by its metadata (RFC 8414 §3, OpenID Discovery 1.0 §4). */
import { StarlingError, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';

const METADATA_CHARS_MAX = 1024 * 1024;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * The `jwks_uri` in the metadata of `issuer`; each place that may have it is given `timeoutMs`.
 * @throws STARLING_UPSTREAM_UNAVAILABLE when no metadata of this very issuer is found
 */
export async function discoverJwksUri(
  clock: Clock,
  issuer: string,
  timeoutMs: number,
): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  const faults: string[] = [];
  for (const place of new Set(places)) {
    try {
      const read = (signal: AbortSignal): Promise<unknown> => fetchJson(place, signal);
      return jwksUriIn(await withDeadline(clock, timeoutMs, read), issuer);
    } catch (error) {
      faults.push(`${place}: ${messageOf(error)}`);
    }
  }
  throw new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `no metadata of the authorization server ${issuer}: ${faults.join('; ')}`,
    { hint: 'check http.oauth.issuer, or set http.oauth.jwksUri' },
  );
}

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal,
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`HTTP ${response.status}`);
  }
  const text = await response.text();
  if (text.length > METADATA_CHARS_MAX) throw new Error('it is over 1 MiB');
  return JSON.parse(text);
}

function jwksUriIn(metadata: unknown, issuer: string): string {
  const { issuer: named, jwks_uri: uri } = Object(metadata) as Record<string, unknown>;
  // RFC 8414 §3.3: metadata that names another issuer must not be used.
  if (named !== issuer) throw new Error('it is the metadata of another issuer');
  if (typeof uri !== 'string' || !URL.canParse(uri)) throw new Error('it names no jwks_uri');
  const { protocol, hostname } = new URL(uri);
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.includes(hostname))) {
    throw new Error('its jwks_uri is not https');
  }
  return uri;
}
