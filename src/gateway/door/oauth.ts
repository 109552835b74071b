/**
 * OAuth 2.1 resource server (MCP `authorization`): access tokens are JWTs (RFC 9068) of one
 * authorization server, issued for us and nobody else, signed with a key of its JWKS. Where a client
 * gets one is told by our protected-resource metadata (RFC 9728).
 */
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { HttpOAuth } from '../../config/index.ts';
import { StarlingError, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { isScope } from '../../guard/index.ts';
import { discoverJwksUri, fetchKeys } from './jwks-discovery.ts';
import { failureText } from '../wire/failure-words.ts';
import type { DoorRefusal, Verdict } from './types.ts';

/** Where our metadata is, before the path of the resource (RFC 9728 §3.1). */
export const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** Only what needs no shared secret; never `none`. */
const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');
/** RFC 9068 §2.1 asks for the first; many servers still write the last, or nothing. */
const TYPES: readonly (string | undefined)[] = ['at+jwt', 'application/at+jwt', 'jwt', undefined];
const CLOCK_SKEW_S = 30;
const FETCH_TIMEOUT_MS = 5000;
/** How long after a failed look-up of the keys the next one waits. */
const LOOKUP_PAUSE_MS = 10_000;
const SUBJECT_MAX = 256;
const SCOPES_MAX = 256;

/** What the verifier works with. */
export interface AccessTokensComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Checks access tokens. */
export interface AccessTokens {
  /** Whose token it is, or why it lets nobody in. Never rejects. */
  verify(token: string): Promise<Verdict>;
  /** The protected-resource metadata. */
  readonly metadata: JsonObject;
  /** The WWW-Authenticate header of a refusal (RFC 6750 §3, RFC 9728 §5.1). */
  challenge(error?: { readonly code: string; readonly text: string }): string;
}

/** Makes the verifier of access tokens. Nothing is fetched before the first token comes. */
export function createAccessTokens(
  components: AccessTokensComponents,
  init: HttpOAuth,
): AccessTokens {
  const { clock, logger } = components;
  const keyOf = createKeyLookup(components, init);
  const challenge = (error?: { readonly code: string; readonly text: string }): string => {
    const said =
      error === undefined ? '' : `error="${error.code}", error_description="${error.text}", `;
    return `Bearer realm="starling", ${said}resource_metadata="${metadataUrl(init.audience)}"`;
  };
  const refuse = (status: number, code: string, text: string): DoorRefusal => ({
    status,
    error: new StarlingError('STARLING_UNAUTHORIZED', `the access token lets nobody in: ${text}`, {
      hint: `get one for ${init.audience} from ${init.issuer}`,
    }),
    headers: { 'www-authenticate': challenge({ code, text }) },
  });

  return {
    metadata: metadataOf(init),
    challenge,
    async verify(token) {
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keyOf, {
          issuer: init.issuer,
          audience: init.audience,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_SKEW_S,
          currentDate: new Date(clock.now()),
          requiredClaims: ['exp', 'sub'],
        });
        const odd = oddityOf(payload, protectedHeader.typ);
        if (odd !== undefined) return refuse(401, 'invalid_token', odd);
        const scopes = scopesOf(payload, init);
        if (scopes.length === 0) {
          return refuse(403, 'insufficient_scope', 'none of its scopes means anything here');
        }
        const sub = String(payload.sub);
        return {
          id: `jwt:${init.issuer} ${sub}`,
          // No subject is taken for somebody whom this node has named: a client, a key, an agent.
          principal: { kind: 'client', name: `oauth:${sub}`, scopes },
          expiresAt: ((payload.exp ?? 0) + CLOCK_SKEW_S) * 1000,
        };
      } catch (error) {
        if (error instanceof errors.JOSEError) {
          return refuse(401, 'invalid_token', faultOf(error));
        }
        logger.warn({ error: messageOf(error) }, "authorization server's keys not had");
        return unavailable();
      }
    },
  };
}

/** Where the metadata of `audience` is. */
function metadataUrl(audience: string): string {
  const { origin, pathname } = new URL(audience);
  return `${origin}${METADATA_PATH}${pathname === '/' ? '' : pathname}`;
}

function metadataOf({ audience, issuer, scopes }: HttpOAuth): JsonObject {
  const named = Object.keys(scopes);
  return {
    resource: audience,
    resource_name: 'Starling',
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    ...(named.length === 0 ? {} : { scopes_supported: named }),
  };
}

/** What makes a token with a good signature one that is not meant for this use. */
function oddityOf(payload: JWTPayload, typ: string | undefined): string | undefined {
  if (!TYPES.includes(typ?.toLowerCase())) return 'it is no access token by its typ';
  // Bound to a key or certificate (RFC 7800): as a bearer token it would be worth stealing again.
  if (payload['cnf'] !== undefined) return 'it is bound to a key, which is not supported here';
  const { sub } = payload;
  const isName = typeof sub === 'string' && sub !== '' && sub.length <= SUBJECT_MAX;
  return isName ? undefined : 'its sub can not be used';
}

/** The resource patterns that the token's scopes stand for. */
function scopesOf(payload: JWTPayload, init: HttpOAuth): readonly string[] {
  const { scope } = payload;
  const words = typeof scope === 'string' ? scope.split(' ').slice(0, SCOPES_MAX) : [];
  const patterns = words.flatMap((word) => {
    if (Object.hasOwn(init.scopes, word)) return init.scopes[word] ?? [];
    return word.includes(':') ? [word] : [];
  });
  return [...new Set(patterns)].filter((pattern) => isScope(pattern));
}

/** In words that fit a header: no quotes, nothing of the token. */
function faultOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const claim = /^[a-z]{2,4}$/.test(error.claim) ? error.claim : 'claims';
    return `its ${claim} is missing or not what this node expects`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not allowed';
  if (error instanceof errors.JWKSNoMatchingKey) return 'its key is none of the issuer';
  return 'its form or signature is wrong';
}

function unavailable(): DoorRefusal {
  return {
    status: 503,
    error: new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      "the authorization server's keys can't be had now",
      { hint: 'try again; the log of the node says why' },
    ),
    headers: { 'retry-after': String(LOOKUP_PAUSE_MS / 1000) },
  };
}

/**
 * The issuer's keys. What is wrong with the token stays an error of jose; what is wrong with the
 * way to the keys becomes STARLING_UPSTREAM_UNAVAILABLE.
 */
function createKeyLookup({ clock }: AccessTokensComponents, init: HttpOAuth): JWTVerifyGetKey {
  let lookup: Promise<JWTVerifyGetKey> | undefined;
  let failedAt = -Infinity;
  const keySet = async (): Promise<JWTVerifyGetKey> => {
    const uri = init.jwksUri ?? (await discoverJwksUri(clock, init.issuer, FETCH_TIMEOUT_MS));
    return createRemoteJWKSet(new URL(uri), {
      timeoutDuration: FETCH_TIMEOUT_MS,
      // The library waits by the system's clock, and bounds no body.
      [customFetch]: (url, options) =>
        withDeadline(
          clock,
          FETCH_TIMEOUT_MS,
          (signal) => fetchKeys(url, { ...options, signal }),
          options.signal,
        ),
    });
  };
  return async (header, token) => {
    // A clock that was set back shuts nobody out for as long as it was ahead.
    if (Math.abs(clock.now() - failedAt) < LOOKUP_PAUSE_MS)
      throw noKeys('the last try failed just now');
    try {
      lookup ??= keySet();
      const keys = await lookup;
      return await keys(header, token);
    } catch (error) {
      if (isAboutToken(error)) throw error;
      lookup = undefined;
      failedAt = clock.now();
      throw noKeys(failureText(error), error);
    }
  };
}

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function noKeys(why: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `no keys: ${why}`, { cause });
}
