/**
 * Our login at one upstream server, as its connection uses it: the token of now, renewed where that
 * is due, and what a refusal means. Tokens are never part of a message, an error or a log line. A person's
 * login is in `browser-login.ts`, what is renewed without one in `token-renewal.ts`.
 */
import type { ServerOAuth } from '../../../config/index.ts';
import { Secret } from '../../../core/index.ts';
import type { Clock, Logger } from '../../../core/index.ts';
import type { LoginStore } from '../../../secrets/index.ts';
import type { Credentials, Refusal } from '../connection-types.ts';
import { startBrowserLogin } from './browser-login.ts';
import type { StartedLogin } from './browser-login.ts';
import { createGuardedFetch } from './guarded-fetch.ts';
import { createLoginErrors } from './login-errors.ts';
import { isAutomatic } from './login-parts.ts';
import type { LoginParts } from './login-parts.ts';
import { createLoginRecord } from './login-record.ts';
import { joinScopes, readChallenge } from './oauth-fields.ts';
import type { Challenge } from './oauth-fields.ts';
import { createTokenRenewal } from './token-renewal.ts';
import type { TokenRenewal } from './token-renewal.ts';

/** What a login works with. */
export interface OauthComponents {
  readonly tokens: LoginStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** At which server, and how. */
export interface OauthInit {
  readonly name: string;
  readonly url: string;
  readonly settings: Partial<ServerOAuth>;
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
  readonly #parts: LoginParts;
  readonly #renewal: TokenRenewal;
  readonly #closeFetch: () => void;

  constructor(components: OauthComponents, init: OauthInit) {
    const { tokenUrl } = init.settings;
    const guarded = createGuardedFetch(components, {
      serverUrl: new URL(init.url),
      ...(tokenUrl === undefined ? {} : { chosen: new URL(tokenUrl) }),
    });
    this.#closeFetch = () => guarded.close();
    this.#parts = {
      ...init,
      clock: components.clock,
      fetch: guarded.fetch,
      record: createLoginRecord(components, init),
      errors: createLoginErrors(init.name),
      wishes: { metadataUrl: undefined, scope: undefined },
    };
    this.#renewal = createTokenRenewal(this.#parts);
  }

  async token(): Promise<Secret | undefined> {
    const { record } = this.#parts;
    await record.load();
    if (isAutomatic(this.#parts)) {
      if (record.current?.tokens === undefined || this.#isDue()) await this.#renewal.renew();
    } else if (this.#isDue() && record.current?.tokens?.refreshToken !== undefined) {
      await this.#renewal.renew();
    }
    const tokens = record.current?.tokens;
    return tokens === undefined ? undefined : new Secret(tokens.accessToken);
  }

  async refused(refusal: Refusal): Promise<boolean> {
    const { record, errors, wishes } = this.#parts;
    await record.load();
    const challenge = readChallenge(refusal.challenge);
    if (refusal.status === 403) return this.#widen(challenge);
    wishes.metadataUrl = challenge.metadataUrl ?? wishes.metadataUrl;
    wishes.scope = challenge.scope ?? wishes.scope;
    const { token } = refusal;
    if (token === undefined) throw errors.loginNeeded('wants us to log in');
    const tokens = record.current?.tokens;
    if (tokens !== undefined && tokens.accessToken !== token.reveal()) return true;
    if (!isAutomatic(this.#parts) && tokens?.refreshToken === undefined) {
      // A server that names no challenge may mean its session: the login is not thrown away for that.
      if (refusal.challenge === undefined) return false;
      await record.forgetTokens();
      throw errors.loginNeeded('no longer takes our login');
    }
    await this.#renewal.renew();
    return true;
  }

  async login(): Promise<StartedLogin> {
    await this.#parts.record.load();
    if (!isAutomatic(this.#parts)) return startBrowserLogin(this.#parts);
    await this.#renewal.renew();
    return {
      url: undefined,
      expiresAt: this.#parts.clock.now(),
      done: Promise.resolve(),
      cancel: () => undefined,
    };
  }

  logout(): Promise<boolean> {
    return this.#parts.record.forget();
  }

  stop(): void {
    this.#closeFetch();
  }

  #isDue(): boolean {
    const renewAt = this.#parts.record.current?.tokens?.renewAt;
    return renewAt !== undefined && renewAt <= this.#parts.clock.now();
  }

  /** Asks for the wider scope that the server named: by itself, or of whoever logs in next. */
  async #widen(challenge: Challenge): Promise<boolean> {
    if (challenge.error !== 'insufficient_scope') return false;
    const { record, errors, name, wishes } = this.#parts;
    const before = record.current?.tokens;
    wishes.scope = joinScopes(before?.scope, challenge.scope);
    if (isAutomatic(this.#parts)) {
      await this.#renewal.renew();
      return record.current?.tokens?.accessToken !== before?.accessToken;
    }
    const needed = challenge.scope === undefined ? '' : ` (it needs ${challenge.scope})`;
    throw errors.refused(
      `gave us too few rights for this${needed}`,
      `log in anew, and agree to more: starling mcp login ${name}`,
      'scope',
    );
  }
}
