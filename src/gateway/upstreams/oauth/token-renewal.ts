/** New tokens without a person: by a refresh token (RFC 6749 §6), or by client credentials (RFC 6749 §4.4). */
import type { StoredClient } from '../../../secrets/index.ts';
import { loadOauthSdk, providerFacts } from './authorization-server.ts';
import type { AuthMetadata } from './authorization-server.ts';
import {
  discover,
  forgetClient,
  isAutomatic,
  loginAt,
  scopeFor,
  storedTokens,
  tokenMetadata,
} from './login-parts.ts';
import type { LoginParts, SdkTokens } from './login-parts.ts';
import { clientInformation, isClientUnknown, isFinal, reasonOf } from './oauth-fields.ts';

/** Gets new tokens for one server. */
export interface TokenRenewal {
  /** One renewal at a time, for all who need it. @throws why there are no new tokens */
  renew(): Promise<void>;
}

/** However many ask at once, one request goes out, and all have its outcome. */
export function createTokenRenewal(parts: LoginParts): TokenRenewal {
  let running: Promise<void> | undefined;
  return {
    renew() {
      running ??= (isAutomatic(parts) ? fetchOwnToken(parts) : refresh(parts)).finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

async function refresh(parts: LoginParts): Promise<void> {
  const { record, errors } = parts;
  const login = record.current;
  const refreshToken = login?.tokens?.refreshToken;
  if (login === undefined || refreshToken === undefined) {
    throw errors.loginNeeded('wants us to log in');
  }
  const { refreshAuthorization } = await loadOauthSdk();
  let tokens: SdkTokens;
  try {
    tokens = await refreshAuthorization(login.issuer, {
      ...tokenMetadata(parts, login.metadata as unknown as AuthMetadata | undefined),
      clientInformation: clientInformation(login.client),
      refreshToken,
      ...(login.resource === undefined ? {} : { resource: login.resource }),
      fetchFn: parts.fetch,
    });
  } catch (error) {
    if (!isFinal(error)) throw errors.failure('our login could not be renewed', error);
    if (record.current === login) {
      await (isClientUnknown(error) ? forgetClient(parts) : record.forgetTokens());
    }
    throw errors.loginNeeded(`no longer takes our login (${reasonOf(error)})`);
  }
  if (record.current !== login) {
    // Whoever logged out meanwhile meant these tokens, too; whoever logged in has newer ones.
    if (record.current?.tokens === undefined) throw errors.loginNeeded('wants us to log in');
    return;
  }
  await record.save({ ...login, tokens: storedTokens(parts, tokens, login.tokens?.scope) });
}

async function fetchOwnToken(parts: LoginParts): Promise<void> {
  const { errors, name, record, settings } = parts;
  const { clientId, clientSecret } = settings;
  if (clientId === undefined || clientSecret === undefined) {
    throw errors.refused(
      'can not be logged in to with client credentials: there are none',
      `set mcpServers.${name}.oauth.clientId and .clientSecret`,
      'login',
    );
  }
  const authServer = await discover(parts);
  const scope = scopeFor(parts, authServer);
  const client: StoredClient = { clientId, clientSecret: clientSecret.reveal() };
  const { fetchToken } = await loadOauthSdk();
  const provider = {
    ...providerFacts(clientInformation(client)),
    prepareTokenRequest: () =>
      new URLSearchParams({
        grant_type: 'client_credentials',
        ...(scope === undefined ? {} : { scope }),
      }),
  };
  try {
    const tokens = await fetchToken(provider, authServer.issuer, {
      ...tokenMetadata(parts, authServer.metadata),
      ...(authServer.resource === undefined ? {} : { resource: authServer.resource }),
      fetchFn: parts.fetch,
    });
    // The secret stays where it is configured.
    const kept = { client: { clientId }, tokens: storedTokens(parts, tokens, scope) };
    await record.save(loginAt(parts, authServer, kept));
  } catch (error) {
    throw errors.failure('our credentials gave us no token', error, isFinal(error));
  }
}
