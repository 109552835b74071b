/**
 * Where to log in at an upstream server: its protected resource metadata (RFC 9728), and that of the
 * authorization server it names (RFC 8414, OpenID Connect Discovery), held against each other.
 */
import type * as sdk from '@modelcontextprotocol/sdk/client/auth.js';
import { StarlingError } from '../../../core/index.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { withoutSlash } from './oauth-fields.ts';

/** The SDK's functions for OAuth. */
export type OauthSdk = typeof sdk;
/** Metadata of an authorization server, as the SDK reads it. */
export type AuthMetadata = NonNullable<sdk.OAuthServerInfo['authorizationServerMetadata']>;

/** What discovery found. */
export interface AuthorizationServer {
  readonly issuer: string;
  /** Undefined when the server has none. */
  readonly metadata: AuthMetadata | undefined;
  /** The resource indicator (RFC 8707), letter by letter as the server publishes it. */
  readonly resource: string | undefined;
  /** Scopes that the resource names (RFC 9728). */
  readonly scopes: readonly string[];
}

/** Loads the SDK's functions when a login first needs them: most nodes never do. */
export function loadOauthSdk(): Promise<OauthSdk> {
  return import('@modelcontextprotocol/sdk/client/auth.js');
}

/**
 * Finds the place for the server at `url`. `metadataUrl`: where the server says that its own metadata
 * is. `needsPkce`: a browser takes part.
 * @throws STARLING_UPSTREAM_INVALID, or what the SDK throws
 */
export async function findAuthorizationServer(
  components: { readonly fetch: GuardedFetch },
  init: {
    readonly url: string;
    readonly metadataUrl: URL | undefined;
    readonly needsPkce: boolean;
  },
): Promise<AuthorizationServer> {
  const { discoverOAuthServerInfo, selectResourceURL } = await loadOauthSdk();
  const found = await discoverOAuthServerInfo(init.url, {
    ...(init.metadataUrl === undefined ? {} : { resourceMetadataUrl: init.metadataUrl }),
    fetchFn: components.fetch,
  });
  const { authorizationServerMetadata: metadata, resourceMetadata } = found;
  const issuer = found.authorizationServerUrl;
  if (metadata !== undefined) checkMetadata(metadata, issuer, init.needsPkce);
  const facts = providerFacts({ client_id: '' });
  const chosen = await selectResourceURL(init.url, facts, resourceMetadata);
  return {
    issuer,
    metadata,
    resource: chosen === undefined ? undefined : resourceMetadata?.resource,
    scopes: resourceMetadata?.scopes_supported ?? [],
  };
}

function checkMetadata(metadata: AuthMetadata, issuer: string, needsPkce: boolean): void {
  if (withoutSlash(metadata.issuer) !== withoutSlash(issuer)) {
    // RFC 8414 §3.3: else one server could speak for another.
    throw invalid('its authorization server calls itself by another name');
  }
  if (needsPkce && metadata.code_challenge_methods_supported?.includes('S256') !== true) {
    throw invalid('its authorization server does not do PKCE with S256');
  }
}

function invalid(what: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_INVALID', what, {
    hint: 'do not log in there before you know why',
  });
}

/** A provider for the SDK's functions, which ask for a whole one and use the client's facts alone. */
export function providerFacts(information: {
  readonly client_id: string;
  readonly client_secret?: string;
}): Parameters<OauthSdk['fetchToken']>[0] {
  const unused = (): never => {
    throw new TypeError('this login goes another way');
  };
  return {
    redirectUrl: undefined,
    clientMetadata: { redirect_uris: [] },
    clientInformation: () => information,
    tokens: unused,
    saveTokens: unused,
    redirectToAuthorization: unused,
    saveCodeVerifier: unused,
    codeVerifier: unused,
  };
}
