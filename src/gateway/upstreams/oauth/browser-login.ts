/**
 * A login by a person: authorization code with PKCE (OAuth 2.1; MCP 2025-11-25 `authorization`), the
 * answer of which comes back to this machine's loopback.
 */
import { randomBytes } from 'node:crypto';
import { StarlingError, toStarlingError } from '../../../core/index.ts';
import type { JsonObject } from '../../../core/index.ts';
import type { StoredClient } from '../../../secrets/index.ts';
import { loadOauthSdk } from './authorization-server.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { checkOauthUrl } from './guarded-fetch.ts';
import {
  discover,
  forgetClient,
  loginAt,
  scopeFor,
  storedTokens,
  tokenMetadata,
} from './login-parts.ts';
import type { LoginParts, SdkTokens } from './login-parts.ts';
import { openLoopback } from './loopback-redirect.ts';
import type { Loopback, LoopbackAnswer } from './loopback-redirect.ts';
import { clientInformation, clientMetadata, hostOf, isClientUnknown } from './oauth-fields.ts';

/** How long a person has to agree. */
const LOGIN_TIMEOUT_MS = 300_000;
const URL_LENGTH_MAX = 8192;

/** A login under way. */
export interface StartedLogin {
  /** Where a person agrees; undefined when nobody needs to. */
  readonly url: string | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** @throws why it failed */
  readonly done: Promise<void>;
  cancel(why: StarlingError): void;
}

/** Listens for the browser's return, and gives the URL that a person is to open. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID, STARLING_LISTEN_FAILED */
export async function startBrowserLogin(parts: LoginParts): Promise<StartedLogin> {
  const { record, settings } = parts;
  const authServer = await discover(parts);
  const state = randomBytes(32).toString('base64url');
  const login = record.current;
  const known = login?.issuer === authServer.issuer ? login.client : undefined;
  const port = settings.callbackPort ?? known?.redirectPort;
  const loopback = await openLoopback(parts, {
    state,
    timeoutMs: LOGIN_TIMEOUT_MS,
    title: `server '${parts.name}'`,
    ...(port === undefined ? {} : { port }),
    isFixedPort: settings.callbackPort !== undefined,
  });
  try {
    return await ask(parts, { authServer, loopback, state, known });
  } catch (error) {
    const failed = parts.errors.failure('the login could not be started', error);
    loopback.close(failed);
    throw failed;
  }
}

/** What a login has found out before it asks. */
interface Asking {
  readonly authServer: AuthorizationServer;
  readonly loopback: Loopback;
  readonly state: string;
  /** The client that was registered there before. */
  readonly known: StoredClient | undefined;
}

async function ask(parts: LoginParts, asking: Asking): Promise<StartedLogin> {
  const { authServer, loopback, state } = asking;
  const scope = scopeFor(parts, authServer);
  const client = await clientAt(parts, asking, scope);
  const { startAuthorization } = await loadOauthSdk();
  const { authorizationUrl, codeVerifier } = await startAuthorization(authServer.issuer, {
    ...(authServer.metadata === undefined ? {} : { metadata: authServer.metadata }),
    clientInformation: clientInformation(client),
    redirectUrl: loopback.redirectUrl,
    ...(scope === undefined ? {} : { scope }),
    state,
    ...(authServer.resource === undefined ? {} : { resource: authServer.resource }),
  });
  checkOauthUrl(authorizationUrl);
  if (authorizationUrl.href.length > URL_LENGTH_MAX) {
    throw new StarlingError('STARLING_UPSTREAM_INVALID', 'its login page has no sound address');
  }
  const done = loopback.answer.then(async (answer) => {
    const tokens = await exchange(parts, asking, { client, answer, codeVerifier });
    const kept = { client, tokens: storedTokens(parts, tokens, scope) };
    await parts.record.begin(loginAt(parts, authServer, kept)).catch((error: unknown) => {
      throw parts.errors.failure('the login was not kept, and does not count', notKept(error));
    });
  });
  return {
    url: authorizationUrl.href,
    expiresAt: parts.clock.now() + LOGIN_TIMEOUT_MS,
    done,
    cancel: (why) => loopback.close(why),
  };
}

/** The login that the disk refused, in our words. */
function notKept(error: unknown): StarlingError {
  return toStarlingError(error, 'STARLING_STATE_UNUSABLE', 'the state folder can not be written');
}

/** The client that we are there: configured, registered before, or registered now (RFC 7591). */
async function clientAt(
  parts: LoginParts,
  { authServer, loopback, known }: Asking,
  scope: string | undefined,
): Promise<StoredClient> {
  const { clientId, clientSecret } = parts.settings;
  const { isHttpsUrl, registerClient } = await loadOauthSdk();
  if (clientId !== undefined && (!isHttpsUrl(clientId) || knowsMetadataUrls(authServer))) {
    return {
      clientId,
      ...(clientSecret === undefined ? {} : { clientSecret: clientSecret.reveal() }),
    };
  }
  if (known?.redirectPort !== undefined && known.redirectPort === loopback.port) return known;
  if (
    authServer.metadata !== undefined &&
    authServer.metadata.registration_endpoint === undefined
  ) {
    throw parts.errors.refused(
      'lets no unknown client log in',
      `register Starling at ${hostOf(authServer.issuer)} by hand, and set mcpServers.${parts.name}.oauth.clientId`,
      'login',
    );
  }
  const registered = await registerClient(authServer.issuer, {
    ...(authServer.metadata === undefined ? {} : { metadata: authServer.metadata }),
    clientMetadata: clientMetadata(
      loopback.redirectUrl,
      authServer.metadata?.token_endpoint_auth_methods_supported,
    ),
    ...(scope === undefined ? {} : { scope }),
    fetchFn: parts.fetch,
  });
  const { client_id, client_secret, token_endpoint_auth_method } = registered;
  return {
    clientId: client_id,
    ...(client_secret === undefined ? {} : { clientSecret: client_secret }),
    ...(token_endpoint_auth_method === undefined ? {} : { authMethod: token_endpoint_auth_method }),
    redirectPort: loopback.port,
  };
}

/**
 * True where a client may be known by the address of its own description (MCP `authorization`, Client ID
 * Metadata Documents), and where there is no other way to be known.
 */
function knowsMetadataUrls({ metadata }: AuthorizationServer): boolean {
  if (metadata?.registration_endpoint === undefined) return true;
  return (metadata as JsonObject)['client_id_metadata_document_supported'] === true;
}

async function exchange(
  parts: LoginParts,
  { authServer, loopback }: Asking,
  given: {
    readonly client: StoredClient;
    readonly answer: LoopbackAnswer;
    readonly codeVerifier: string;
  },
): Promise<SdkTokens> {
  checkIssuer(parts, authServer, given.answer.issuer);
  const { exchangeAuthorization } = await loadOauthSdk();
  try {
    return await exchangeAuthorization(authServer.issuer, {
      ...tokenMetadata(parts, authServer.metadata),
      clientInformation: clientInformation(given.client),
      authorizationCode: given.answer.code,
      codeVerifier: given.codeVerifier,
      redirectUri: loopback.redirectUrl,
      ...(authServer.resource === undefined ? {} : { resource: authServer.resource }),
      fetchFn: parts.fetch,
    });
  } catch (error) {
    if (isClientUnknown(error)) await forgetClient(parts);
    throw parts.errors.failure('the login could not be finished', error);
  }
}

/** Mix-up defence (RFC 9207 §2.4). */
function checkIssuer(
  { errors }: LoginParts,
  authServer: AuthorizationServer,
  issuer: string | undefined,
): void {
  const expected = authServer.metadata?.issuer ?? authServer.issuer;
  const metadata = (authServer.metadata ?? {}) as JsonObject;
  const promised = metadata['authorization_response_iss_parameter_supported'] === true;
  if (issuer === undefined ? !promised : issuer === expected) return;
  throw errors.invalid('the answer to the login came from another authorization server');
}
