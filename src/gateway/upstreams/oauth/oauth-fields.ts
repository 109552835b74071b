/** OAuth's small words: challenges, scopes, clients and errors, read with care and without the SDK. */
import type { StoredClient } from '../../../secrets/index.ts';

const HEADER_LENGTH_MAX = 8192;
/** What an authorization server may name as reason and mean "later" (RFC 6749 §4.1.2.1). */
const PASSING = ['server_error', 'temporarily_unavailable', 'too_many_requests'];

/** What a refusal says about logging in. */
export interface Challenge {
  readonly error: string | undefined;
  readonly scope: string | undefined;
  readonly metadataUrl: URL | undefined;
}

/** Reads `WWW-Authenticate: Bearer …` (RFC 6750 §3, RFC 9728 §5.1). */
export function readChallenge(header: string | undefined): Challenge {
  const text = /\bbearer\b/i.test(header ?? '') ? (header ?? '').slice(0, HEADER_LENGTH_MAX) : '';
  const field = (name: string): string | undefined => {
    const match = new RegExp(`(?:^|[\\s,])${name}=(?:"([^"]*)"|([^\\s,"]+))`, 'i').exec(text);
    return match?.[1] ?? match?.[2];
  };
  const metadata = field('resource_metadata') ?? '';
  const scope = field('scope');
  return {
    error: field('error'),
    // RFC 6749 §3.3
    scope:
      scope !== undefined && /^[\x21\x23-\x5b\x5d-\x7e ]{1,1024}$/.test(scope) ? scope : undefined,
    metadataUrl: URL.canParse(metadata) ? new URL(metadata) : undefined,
  };
}

/** The scopes of both, each once; undefined when there are none. */
export function joinScopes(
  left: string | undefined,
  right: string | undefined,
): string | undefined {
  const all = `${left ?? ''} ${right ?? ''}`.split(' ').filter((scope) => scope !== '');
  return all.length === 0 ? undefined : [...new Set(all)].join(' ');
}

/** How a client of ours may show who it is at the token endpoint, the simplest way first. */
const AUTH_METHODS = ['none', 'client_secret_basic', 'client_secret_post'] as const;

/**
 * How we introduce ourselves at a registration (RFC 7591 §2). `methods`: the ways to authenticate that
 * the token endpoint knows, where it says so.
 */
export function clientMetadata(
  redirectUrl: string,
  methods: readonly string[] | undefined,
): {
  readonly client_name: string;
  readonly application_type: 'native';
  readonly redirect_uris: string[];
  readonly grant_types: string[];
  readonly response_types: string[];
  readonly token_endpoint_auth_method: string;
} {
  return {
    client_name: 'Starling',
    // We come back to a loopback address (OpenID Connect Registration §2; MCP 2026-07-28).
    application_type: 'native',
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method:
      AUTH_METHODS.find((method) => methods?.includes(method)) ?? AUTH_METHODS[0],
  };
}

/** A stored client in the SDK's words. */
export function clientInformation(client: StoredClient): {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly token_endpoint_auth_method?: string;
} {
  return {
    client_id: client.clientId,
    ...(client.clientSecret === undefined ? {} : { client_secret: client.clientSecret }),
    ...(client.authMethod === undefined ? {} : { token_endpoint_auth_method: client.authMethod }),
  };
}

/** The name of an OAuth error (RFC 6749 §5.2), where it is one. */
function nameOf(error: unknown): string | undefined {
  const name = error instanceof Error && 'errorCode' in error ? error.errorCode : undefined;
  return typeof name === 'string' && /^[a-z_]{1,64}$/.test(name) ? name : undefined;
}

/** True when asking again the same way can't help. */
export function isFinal(error: unknown): boolean {
  const name = nameOf(error);
  return name !== undefined && !PASSING.includes(name);
}

/** True when the authorization server does not know us as a client. */
export function isClientUnknown(error: unknown): boolean {
  return ['invalid_client', 'unauthorized_client'].includes(nameOf(error) ?? '');
}

/** Why, without the words of the other side: they may hold a token. */
export function reasonOf(error: unknown): string {
  return nameOf(error) ?? 'the answer is not what OAuth 2.1 asks for';
}

/** A URL without a slash at its end: some servers write it and some do not. */
export function withoutSlash(url: string): string {
  return url.replace(/\/$/, '');
}

/** The host of an issuer, to be shown. */
export function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).host : 'its authorization server';
}
