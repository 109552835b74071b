/**
 * Our login at one upstream server: OAuth 2.1 as MCP has it (2025-11-25 `authorization`), with the
 * SDK's functions for the wire. Authorization code with PKCE, or client credentials; tokens are
 * renewed by one request however many ask, and are never part of a message, an error or a log line.
 */
import { randomBytes } from 'node:crypto';
import type { ServerOAuth } from '../../../config/index.ts';
import { Secret, StarlingError, messageOf } from '../../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../../core/index.ts';
import type { Credentials, Refusal } from '../connection.ts';
import { checkOauthUrl, createGuardedFetch } from './guarded-fetch.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { openLoopback } from './loopback-redirect.ts';
import type { Loopback, LoopbackAnswer } from './loopback-redirect.ts';
import { findAuthorizationServer, loadOauthSdk, providerFacts } from './authorization-server.ts';
import type { AuthMetadata, AuthorizationServer, OauthSdk } from './authorization-server.ts';
import {
  clientInformation,
  clientMetadata,
  hostOf,
  isClientUnknown,
  isFinal,
  isMetadataUrl,
  joinScopes,
  readChallenge,
  reasonOf,
} from './messages.ts';
import type { Challenge } from './messages.ts';
import type {
  StoredClient,
  StoredLogin,
  StoredTokens,
  TokenStore,
} from '../../../secrets/index.ts';

type SdkTokens = Awaited<ReturnType<OauthSdk['exchangeAuthorization']>>;

const LOGIN_TIMEOUT_MS = 300_000;
/** A token is renewed this long before it is over, or a tenth of its life where that is less. */
const MARGIN_MS = 30_000;
const URL_LENGTH_MAX = 8192;
const SCOPE_LENGTH_MAX = 2048;

/** What a login works with. */
export interface OauthComponents {
  readonly tokens: TokenStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** At which server, and how. */
export interface OauthInit {
  readonly name: string;
  readonly url: string;
  readonly settings: Partial<ServerOAuth>;
}

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

/** Our login at one server. */
export interface OauthLogin extends Credentials {
  /** Starts a login. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID */
  login(): Promise<StartedLogin>;
  /** Forgets tokens and registration. True when there were some. */
  logout(): Promise<boolean>;
  /** Closes its connections. */
  stop(): void;
}

/** Makes the login; nothing is asked or read before it is used. */
export function createOauthLogin(components: OauthComponents, init: OauthInit): OauthLogin {
  return new Login(components, init);
}

class Login implements OauthLogin {
  readonly #components: OauthComponents;
  readonly #init: OauthInit;
  readonly #guard: { readonly fetch: GuardedFetch; close(): void };
  #loaded: Promise<void> | undefined;
  #login: StoredLogin | undefined;
  #renewing: Promise<void> | undefined;
  /** What the server said last of where and with which scope to log in. */
  #metadataUrl: URL | undefined;
  #wantedScope: string | undefined;

  constructor(components: OauthComponents, init: OauthInit) {
    this.#components = components;
    this.#init = init;
    this.#guard = createGuardedFetch(components, { serverUrl: new URL(init.url) });
  }

  async token(): Promise<Secret | undefined> {
    await this.#load();
    if (this.#isAutomatic()) {
      if (this.#login?.tokens === undefined || this.#isDue()) await this.#renew();
    } else if (this.#isDue() && this.#login?.tokens?.refreshToken !== undefined) {
      await this.#renew();
    }
    const tokens = this.#login?.tokens;
    return tokens === undefined ? undefined : new Secret(tokens.accessToken);
  }

  async refused(refusal: Refusal): Promise<boolean> {
    await this.#load();
    const challenge = readChallenge(refusal.challenge);
    if (refusal.status === 403) return this.#widen(challenge);
    this.#metadataUrl = challenge.metadataUrl ?? this.#metadataUrl;
    this.#wantedScope = challenge.scope ?? this.#wantedScope;
    const { token } = refusal;
    if (token === undefined) throw this.#loginNeeded('wants us to log in');
    const tokens = this.#login?.tokens;
    if (tokens !== undefined && tokens.accessToken !== token.reveal()) return true;
    if (!this.#isAutomatic() && tokens?.refreshToken === undefined) {
      await this.#forgetTokens();
      throw this.#loginNeeded('no longer takes our login');
    }
    await this.#renew();
    return true;
  }

  async login(): Promise<StartedLogin> {
    await this.#load();
    if (this.#isAutomatic()) {
      await this.#renew();
      return {
        url: undefined,
        expiresAt: this.#components.clock.now(),
        done: Promise.resolve(),
        cancel: () => undefined,
      };
    }
    const place = await this.#discover();
    const state = randomBytes(32).toString('base64url');
    const known = this.#login?.issuer === place.issuer ? this.#login.client : undefined;
    const port = this.#init.settings.callbackPort ?? known?.redirectPort;
    const loopback = await openLoopback(this.#components, {
      state,
      timeoutMs: LOGIN_TIMEOUT_MS,
      title: `server '${this.#init.name}'`,
      ...(port === undefined ? {} : { port }),
      isFixedPort: this.#init.settings.callbackPort !== undefined,
    });
    try {
      return await this.#ask(place, loopback, state, known);
    } catch (error) {
      const failed = this.#failure('the login could not be started', error);
      loopback.close(failed);
      throw failed;
    }
  }

  async logout(): Promise<boolean> {
    this.#login = undefined;
    this.#loaded = undefined;
    return this.#components.tokens.delete(this.#init.name);
  }

  stop(): void {
    this.#guard.close();
  }

  #isAutomatic(): boolean {
    return this.#init.settings.grant === 'client_credentials';
  }

  #isDue(): boolean {
    const renewAt = this.#login?.tokens?.renewAt;
    return renewAt !== undefined && renewAt <= this.#components.clock.now();
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#components.tokens
      .get(this.#init.name, this.#init.url)
      .then((login) => void (this.#login = login));
    return this.#loaded;
  }

  /** Asks for the wider scope that the server named: by itself, or of whoever logs in next. */
  async #widen(challenge: Challenge): Promise<boolean> {
    if (challenge.error !== 'insufficient_scope') return false;
    const before = this.#login?.tokens;
    this.#wantedScope = joinScopes(before?.scope, challenge.scope);
    if (this.#isAutomatic()) {
      await this.#renew();
      return this.#login?.tokens?.accessToken !== before?.accessToken;
    }
    throw this.#error(
      `gave us too few rights for this${challenge.scope === undefined ? '' : ` (it needs ${challenge.scope})`}`,
      `log in anew, and agree to more: starling mcp login ${this.#init.name}`,
      'scope',
    );
  }

  /** One renewal at a time, for all who need it. */
  #renew(): Promise<void> {
    this.#renewing ??= (this.#isAutomatic() ? this.#fetchOwnToken() : this.#refresh()).finally(
      () => {
        this.#renewing = undefined;
      },
    );
    return this.#renewing;
  }

  async #refresh(): Promise<void> {
    const login = this.#login;
    const refreshToken = login?.tokens?.refreshToken;
    if (login === undefined || refreshToken === undefined) {
      throw this.#loginNeeded('wants us to log in');
    }
    const { refreshAuthorization } = await loadOauthSdk();
    let tokens: SdkTokens;
    try {
      tokens = await refreshAuthorization(login.issuer, {
        ...(login.metadata === undefined
          ? {}
          : { metadata: login.metadata as unknown as AuthMetadata }),
        clientInformation: clientInformation(login.client),
        refreshToken,
        ...(login.resource === undefined ? {} : { resource: login.resource }),
        fetchFn: this.#guard.fetch,
      });
    } catch (error) {
      if (!isFinal(error)) throw this.#failure('our login could not be renewed', error);
      if (this.#login === login) {
        await (isClientUnknown(error) ? this.#forgetClient() : this.#forgetTokens());
      }
      throw this.#loginNeeded(`no longer takes our login (${reasonOf(error)})`);
    }
    if (this.#login !== login) {
      // Whoever logged out meanwhile meant these tokens, too; whoever logged in has newer ones.
      if (this.#login?.tokens === undefined) throw this.#loginNeeded('wants us to log in');
      return;
    }
    await this.#save({ ...login, tokens: this.#stored(tokens, login.tokens?.scope) });
  }

  async #fetchOwnToken(): Promise<void> {
    const { clientId, clientSecret, scopes } = this.#init.settings;
    if (clientId === undefined || clientSecret === undefined) {
      throw this.#error(
        'can not be logged in to with client credentials: there are none',
        `set mcpServers.${this.#init.name}.oauth.clientId and .clientSecret`,
        'login',
      );
    }
    const place = await this.#discover();
    const scope = this.#scopeFor(place, scopes);
    const client: StoredClient = { clientId, clientSecret: clientSecret.reveal() };
    const { fetchToken } = await loadOauthSdk();
    const information = clientInformation(client);
    try {
      const tokens = await fetchToken(
        {
          ...providerFacts(information),
          prepareTokenRequest: () =>
            new URLSearchParams({
              grant_type: 'client_credentials',
              ...(scope === undefined ? {} : { scope }),
            }),
        },
        place.issuer,
        {
          ...(place.metadata === undefined ? {} : { metadata: place.metadata }),
          ...(place.resource === undefined ? {} : { resource: place.resource }),
          fetchFn: this.#guard.fetch,
        },
      );
      // The secret stays where it is configured.
      await this.#save(this.#loginAt(place, { clientId }, this.#stored(tokens, scope)));
    } catch (error) {
      throw this.#failure('our credentials gave us no token', error, isFinal(error));
    }
  }

  async #ask(
    place: AuthorizationServer,
    loopback: Loopback,
    state: string,
    known: StoredClient | undefined,
  ): Promise<StartedLogin> {
    const scope = this.#scopeFor(place, this.#init.settings.scopes);
    const client = await this.#clientAt(place, loopback, known, scope);
    const { startAuthorization } = await loadOauthSdk();
    const { authorizationUrl, codeVerifier } = await startAuthorization(place.issuer, {
      ...(place.metadata === undefined ? {} : { metadata: place.metadata }),
      clientInformation: clientInformation(client),
      redirectUrl: loopback.redirectUrl,
      ...(scope === undefined ? {} : { scope }),
      state,
      ...(place.resource === undefined ? {} : { resource: place.resource }),
    });
    checkOauthUrl(authorizationUrl);
    if (authorizationUrl.href.length > URL_LENGTH_MAX) {
      throw new StarlingError('STARLING_UPSTREAM_INVALID', 'its login page has no sound address');
    }
    const done = loopback.answer
      .then((answer) => this.#exchange(place, client, answer, codeVerifier, loopback.redirectUrl))
      .then((tokens) => this.#save(this.#loginAt(place, client, this.#stored(tokens, scope))));
    return {
      url: authorizationUrl.href,
      expiresAt: this.#components.clock.now() + LOGIN_TIMEOUT_MS,
      done,
      cancel: (why) => loopback.close(why),
    };
  }

  /** The client that we are there: configured, registered before, or registered now (RFC 7591). */
  async #clientAt(
    place: AuthorizationServer,
    loopback: Loopback,
    known: StoredClient | undefined,
    scope: string | undefined,
  ): Promise<StoredClient> {
    const { clientId, clientSecret } = this.#init.settings;
    if (clientId !== undefined && isTakenAt(place, clientId)) {
      return {
        clientId,
        ...(clientSecret === undefined ? {} : { clientSecret: clientSecret.reveal() }),
      };
    }
    if (known?.redirectPort !== undefined && known.redirectPort === loopback.port) return known;
    if (place.metadata !== undefined && place.metadata.registration_endpoint === undefined) {
      throw this.#error(
        'lets no unknown client log in',
        `register Starling at ${hostOf(place.issuer)} by hand, and set mcpServers.${this.#init.name}.oauth.clientId`,
        'login',
      );
    }
    const { registerClient } = await loadOauthSdk();
    const registered = await registerClient(place.issuer, {
      ...(place.metadata === undefined ? {} : { metadata: place.metadata }),
      clientMetadata: clientMetadata(
        loopback.redirectUrl,
        place.metadata?.token_endpoint_auth_methods_supported,
      ),
      ...(scope === undefined ? {} : { scope }),
      fetchFn: this.#guard.fetch,
    });
    const { client_id, client_secret, token_endpoint_auth_method } = registered;
    return {
      clientId: client_id,
      ...(client_secret === undefined ? {} : { clientSecret: client_secret }),
      ...(token_endpoint_auth_method === undefined
        ? {}
        : { authMethod: token_endpoint_auth_method }),
      redirectPort: loopback.port,
    };
  }

  async #exchange(
    place: AuthorizationServer,
    client: StoredClient,
    answer: LoopbackAnswer,
    codeVerifier: string,
    redirectUri: string,
  ): Promise<SdkTokens> {
    this.#checkIssuer(place, answer.issuer);
    const { exchangeAuthorization } = await loadOauthSdk();
    try {
      return await exchangeAuthorization(place.issuer, {
        ...(place.metadata === undefined ? {} : { metadata: place.metadata }),
        clientInformation: clientInformation(client),
        authorizationCode: answer.code,
        codeVerifier,
        redirectUri,
        ...(place.resource === undefined ? {} : { resource: place.resource }),
        fetchFn: this.#guard.fetch,
      });
    } catch (error) {
      if (isClientUnknown(error)) await this.#forgetClient();
      throw this.#failure('the login could not be finished', error);
    }
  }

  /** Mix-up defence (RFC 9207 §2.4). */
  #checkIssuer(place: AuthorizationServer, issuer: string | undefined): void {
    const expected = place.metadata?.issuer ?? place.issuer;
    const metadata = (place.metadata ?? {}) as JsonObject;
    const promised = metadata['authorization_response_iss_parameter_supported'] === true;
    if (issuer === undefined ? !promised : issuer === expected) return;
    throw this.#invalid('the answer to the login came from another authorization server');
  }

  async #discover(): Promise<AuthorizationServer> {
    try {
      return await findAuthorizationServer(this.#guard, {
        url: this.#init.url,
        metadataUrl: this.#metadataUrl,
        needsPkce: !this.#isAutomatic(),
      });
    } catch (error) {
      throw this.#failure('it could not be found out where to log in', error);
    }
  }

  #scopeFor(
    place: AuthorizationServer,
    configured: readonly string[] | undefined,
  ): string | undefined {
    const asked = configured?.length === 0 ? undefined : configured?.join(' ');
    const wanted = this.#wantedScope ?? (asked === undefined ? place.scopes.join(' ') : undefined);
    const offline =
      !this.#isAutomatic() && place.metadata?.scopes_supported?.includes('offline_access') === true
        ? 'offline_access'
        : undefined;
    const scope = joinScopes(joinScopes(asked, wanted), offline);
    return scope === undefined || scope.length > SCOPE_LENGTH_MAX ? asked : scope;
  }

  #loginAt(place: AuthorizationServer, client: StoredClient, tokens: StoredTokens): StoredLogin {
    return {
      url: this.#init.url,
      issuer: place.issuer,
      ...(place.metadata === undefined
        ? {}
        : { metadata: place.metadata as unknown as JsonObject }),
      ...(place.resource === undefined ? {} : { resource: place.resource }),
      client,
      tokens,
    };
  }

  #stored(tokens: SdkTokens, asked: string | undefined): StoredTokens {
    const { access_token, refresh_token, expires_in, scope = asked } = tokens;
    const lifeMs = (expires_in ?? 0) * 1000;
    return {
      accessToken: access_token,
      ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
      ...(expires_in === undefined
        ? {}
        : {
            renewAt: this.#components.clock.now() + lifeMs - Math.min(MARGIN_MS, lifeMs / 10),
          }),
      ...(scope === undefined ? {} : { scope }),
    };
  }

  async #save(login: StoredLogin): Promise<void> {
    this.#login = login;
    this.#loaded = Promise.resolve();
    try {
      await this.#components.tokens.put(this.#init.name, login);
    } catch (error) {
      // The token works until the node ends, so that a full disk stops no call.
      this.#components.logger.warn(
        { server: this.#init.name, error: messageOf(error) },
        'login not kept',
      );
    }
  }

  /** A registration that is not known there any more is not used again, nor are its tokens. */
  async #forgetClient(): Promise<void> {
    if (this.#init.settings.clientId === undefined) await this.logout();
    else await this.#forgetTokens();
  }

  async #forgetTokens(): Promise<void> {
    if (this.#login?.tokens === undefined) return;
    const { tokens: _, ...rest } = this.#login;
    await this.#save(rest);
  }

  #loginNeeded(what: string): StarlingError {
    const { name } = this.#init;
    return this.#error(
      what,
      `log in with: starling mcp login ${name}; or, if it wants a fixed token, set mcpServers.${name}.headers`,
      'login',
    );
  }

  #invalid(what: string): StarlingError {
    const { name } = this.#init;
    return new StarlingError('STARLING_UPSTREAM_INVALID', `server '${name}': ${what}`, {
      hint: `do not log in there before you know why; check mcpServers.${name}.url`,
      data: { server: name },
    });
  }

  /** Anything thrown on the way, in words without what the other side wrote. */
  #failure(what: string, error: unknown, needsLogin = false): StarlingError {
    if (error instanceof StarlingError) {
      if (error.data['server'] !== undefined) return error;
      return new StarlingError(
        error.code,
        `server '${this.#init.name}': ${what}: ${error.message}`,
        {
          ...(error.hint === undefined ? {} : { hint: error.hint }),
          data: { server: this.#init.name },
        },
      );
    }
    const { name } = this.#init;
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${name}': ${what}: ${reasonOf(error)}`,
      {
        hint: `if it wants a fixed token, set mcpServers.${name}.headers; else check mcpServers.${name}.oauth`,
        data: { server: name, ...(needsLogin ? { reason: 'login' } : {}) },
      },
    );
  }

  #error(what: string, hint: string, reason: 'login' | 'scope'): StarlingError {
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${this.#init.name}' ${what}`,
      { hint, data: { server: this.#init.name, reason, retryable: false } },
    );
  }
}

/**
 * Whether a configured client can be itself there: one whose id is the address of its own description
 * only where such ids are understood (MCP `authorization`, Client ID Metadata Documents).
 */
function isTakenAt({ metadata }: AuthorizationServer, clientId: string): boolean {
  if (!isMetadataUrl(clientId) || metadata?.registration_endpoint === undefined) return true;
  return (metadata as JsonObject)['client_id_metadata_document_supported'] === true;
}
