/** What the ways to a token at one server share: settings, the record, a guarded fetch, errors; and small steps. */
import type { ServerOAuth } from '../../../config/index.ts';
import type { Clock, JsonObject } from '../../../core/index.ts';
import type { StoredClient, StoredLogin, StoredTokens } from '../../../secrets/index.ts';
import { findAuthorizationServer } from './authorization-server.ts';
import type { AuthMetadata, AuthorizationServer, OauthSdk } from './authorization-server.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import type { LoginErrors } from './login-errors.ts';
import type { LoginRecord } from './login-record.ts';
import { joinScopes } from './oauth-fields.ts';

/** A token response, as the SDK reads it. */
export type SdkTokens = Awaited<ReturnType<OauthSdk['exchangeAuthorization']>>;

/** A token is renewed this long before it is over, or a tenth of its life where that is less. */
const MARGIN_MS = 30_000;
const SCOPE_LENGTH_MAX = 2048;

/** What the server said last of where and with which scope to log in. */
export interface ServerWishes {
  metadataUrl: URL | undefined;
  scope: string | undefined;
}

/** One server's login, as its parts use it. */
export interface LoginParts {
  readonly name: string;
  readonly url: string;
  readonly settings: Partial<ServerOAuth>;
  readonly clock: Clock;
  readonly fetch: GuardedFetch;
  readonly record: LoginRecord;
  readonly errors: LoginErrors;
  readonly wishes: ServerWishes;
}

/** True where we log in by ourselves: with client credentials, and no person. */
export function isAutomatic({ settings }: Pick<LoginParts, 'settings'>): boolean {
  return settings.grant === 'client_credentials';
}

/** Finds out where to log in. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID */
export async function discover(parts: LoginParts): Promise<AuthorizationServer> {
  try {
    return await findAuthorizationServer(parts, {
      url: parts.url,
      metadataUrl: parts.wishes.metadataUrl,
      needsPkce: !isAutomatic(parts),
    });
  } catch (error) {
    throw parts.errors.failure('it could not be found out where to log in', error);
  }
}

/** The scope to ask for: the configured one, what the server said it wants, and what renews the login. */
export function scopeFor(parts: LoginParts, authServer: AuthorizationServer): string | undefined {
  const { scopes } = parts.settings;
  const asked = scopes?.length === 0 ? undefined : scopes?.join(' ');
  const wanted =
    parts.wishes.scope ?? (asked === undefined ? authServer.scopes.join(' ') : undefined);
  const offline =
    !isAutomatic(parts) &&
    authServer.metadata?.scopes_supported?.includes('offline_access') === true
      ? 'offline_access'
      : undefined;
  const scope = joinScopes(joinScopes(asked, wanted), offline);
  return scope === undefined || scope.length > SCOPE_LENGTH_MAX ? asked : scope;
}

/**
 * The metadata by which tokens are asked for: that of the authorization server, with the configured token endpoint where
 * there is one. Of a server without metadata a request for tokens needs no more than that address.
 */
export function tokenMetadata(
  { settings }: Pick<LoginParts, 'settings'>,
  metadata: AuthMetadata | undefined,
): { readonly metadata?: AuthMetadata } {
  const { tokenUrl } = settings;
  if (tokenUrl !== undefined) {
    return { metadata: { ...metadata, token_endpoint: tokenUrl } as AuthMetadata };
  }
  return metadata === undefined ? {} : { metadata };
}

/** What is kept of a login at `authServer`. */
export function loginAt(
  parts: LoginParts,
  authServer: AuthorizationServer,
  kept: { readonly client: StoredClient; readonly tokens: StoredTokens },
): StoredLogin {
  return {
    url: parts.url,
    issuer: authServer.issuer,
    ...(authServer.metadata === undefined
      ? {}
      : { metadata: authServer.metadata as unknown as JsonObject }),
    ...(authServer.resource === undefined ? {} : { resource: authServer.resource }),
    ...kept,
  };
}

/** Tokens as they are kept. `asked`: the scope that was asked for, which counts where the answer names none. */
export function storedTokens(
  { clock }: LoginParts,
  tokens: SdkTokens,
  asked: string | undefined,
): StoredTokens {
  const { access_token, refresh_token, expires_in, scope = asked } = tokens;
  const lifeMs = (expires_in ?? 0) * 1000;
  return {
    accessToken: access_token,
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    ...(expires_in === undefined
      ? {}
      : { renewAt: clock.now() + lifeMs - Math.min(MARGIN_MS, lifeMs / 10) }),
    ...(scope === undefined ? {} : { scope }),
  };
}

/**
 * Forgets a registration that the authorization server does not know any more, and its tokens with it.
 * A configured client stays configured.
 */
export async function forgetClient({ settings, record }: LoginParts): Promise<void> {
  if (settings.clientId === undefined) await record.forget();
  else await record.forgetTokens();
}
