/** Where an authorization server's keys are, by its metadata (RFC 8414 §3, OpenID Discovery 1.0 §4). */
import { StarlingError, withDeadline } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { failureText } from '../wire/failure-words.ts';

const METADATA_BYTES_MAX = 1024 * 1024;
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
      faults.push(`${place}: ${failureText(error)}`);
    }
  }
  throw new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `no metadata of the authorization server ${issuer}: ${faults.join('; ')}`,
    { hint: 'check http.oauth.issuer, or set http.oauth.jwksUri' },
  );
}

/** Fetches as `fetch` does, a body of at most 1 MiB: for jose, which bounds none. */
export async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const { status, headers } = response;
  return new Response(await textOf(response, METADATA_BYTES_MAX), { status, headers });
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
  return JSON.parse(await textOf(response, METADATA_BYTES_MAX));
}

/** The text of the body, which is given up where it becomes longer than `maxBytes`. */
async function textOf(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  // Leaving the loop cancels the body.
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    sizeBytes += part.length;
    if (sizeBytes > maxBytes) throw new Error(`it is over ${maxBytes} bytes`);
    parts.push(part);
  }
  // A byte order mark is no part of the text, which TextDecoder leaves out.
  return new TextDecoder().decode(Buffer.concat(parts, sizeBytes));
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
