/**
 * Who may pass the HTTP door, and as whom: the operator by the node's own token, clients by an API
 * key or by an access token of the authorization server, agents by a session that they opened with
 * their key. The first look at a request costs microseconds; only an access token that was not seen
 * before takes longer.
 */
import { OPERATOR } from '../../guard/index.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpOAuth } from '../../config/index.ts';
import { StarlingError, leftMs } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import type { ApiKeys } from './api-keys.ts';
import type { TokenClients } from './token-clients.ts';
import { handleAuth, refuseWith, sendJson } from './auth-endpoints.ts';
import { bearerOf, digestOf } from './bearer.ts';
import { createChallenges } from './challenge.ts';
import { METADATA_PATH, createAccessTokens } from './oauth.ts';
import type { AccessTokens } from './oauth.ts';
import { createOriginCheck, plainAddress } from './origin-check.ts';
import type { OriginCheckInit } from './origin-check.ts';
import type { NodeToken } from './token-file.ts';
import type { RateLimit } from './rate-limit.ts';
import { pathOf } from './request-path.ts';
import { isRefusal } from './types.ts';
import type { DashboardFace, Door, DoorRefusal, Credential, Verdict } from './types.ts';

/** Verdicts on access tokens that are remembered. */
const CACHED_MAX = 4096;
/** A withdrawn signing key counts for at most this long. */
const CACHED_MS = 5 * 60_000;
/** Access tokens that are being verified at one time. */
const PENDING_MAX = 256;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** What the door works with. */
export interface DoorComponents {
  /** This node: what agents sign names it. */
  readonly self: Did;
  /** Knows which keys are retired; default: none. */
  readonly grants?: Pick<GrantBook, 'successions'>;
  readonly keys: Pick<ApiKeys, 'check'>;
  readonly rateLimit: RateLimit;
  /** Hears of whoever comes with an access token. */
  readonly tokens?: Pick<TokenClients, 'came'>;
  /** The node's own token: who has it is the operator. */
  readonly token: Pick<NodeToken, 'matches' | 'count'>;
  /** The page of the operator; absent: there is none. */
  readonly dashboard?: Pick<DashboardFace, 'check'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the door knows. */
export interface DoorInit extends OriginCheckInit {
  readonly oauth?: HttpOAuth;
}

/** The credential's id of whoever has the node's own token. */
export const OPERATOR_ID = 'operator';
const OPERATOR_CREDENTIAL: Credential = { id: OPERATOR_ID, principal: OPERATOR };

/** Keys of issuers are fetched when the first token of theirs comes. @throws STARLING_CONFIG_INVALID */
export function createDoor(components: DoorComponents, init: DoorInit): Door {
  return new HttpDoor(components, init);
}

interface Remembered {
  readonly credential: Credential;
  readonly until: number;
}

class HttpDoor implements Door {
  readonly checkOrigin: Door['checkOrigin'];
  readonly #components: DoorComponents;
  readonly #init: DoorInit;
  readonly #challenges: ReturnType<typeof createChallenges>;
  readonly #accessTokens: AccessTokens | undefined;
  readonly #known = new Map<string, Remembered>();
  /** Connections of the operator, and the header by which they are known. */
  #operators = new WeakMap<object, string>();
  /** Which token {@link #operators} have shown. */
  #tokenCount = 0;
  readonly #pending = new Map<string, Promise<Verdict>>();

  constructor(components: DoorComponents, init: DoorInit) {
    this.#components = components;
    this.#init = init;
    this.checkOrigin = createOriginCheck(init);
    this.#challenges = createChallenges(components);
    this.#accessTokens =
      init.oauth === undefined ? undefined : createAccessTokens(components, init.oauth);
  }

  authenticate(request: IncomingMessage): Verdict | Promise<Verdict> {
    const { socket } = request;
    const { authorization } = request.headers;
    const { count } = this.#components.token;
    if (count !== this.#tokenCount) {
      this.#tokenCount = count;
      this.#operators = new WeakMap();
    }
    // The callers with the node's own token are the busiest.
    if (authorization !== undefined && this.#operators.get(socket) === authorization) {
      return OPERATOR_CREDENTIAL;
    }
    const address = socket.remoteAddress ?? '';
    const token = bearerOf(request);
    if (token !== undefined) {
      const shown = this.#components.dashboard?.check(token, request);
      if (shown !== undefined) return shown;
      const verdict = this.byToken(token, address);
      if (verdict === OPERATOR_CREDENTIAL && authorization !== undefined) {
        this.#operators.set(socket, authorization);
      }
      return verdict;
    }
    return this.#refuse(request.headers.authorization === undefined);
  }

  byToken(token: string, address: string): Verdict | Promise<Verdict> {
    const digest = digestOf(token);
    if (this.#components.token.matches(digest)) return OPERATOR_CREDENTIAL;
    const credential = this.#components.keys.check(token, digest) ?? this.#challenges.check(token);
    if (credential !== undefined) return credential;
    if (this.#accessTokens === undefined || !JWT.test(token)) return this.#refuse(false);
    return this.#byAccessToken(this.#accessTokens, token, digest, address);
  }

  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const path = pathOf(request);
    const isMetadata = path === METADATA_PATH || path.startsWith(`${METADATA_PATH}/mcp`);
    if (this.#accessTokens === undefined || !isMetadata) {
      const { rateLimit } = this.#components;
      return handleAuth({ challenges: this.#challenges, rateLimit }, request, response);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const error = new StarlingError('STARLING_PROTOCOL_VIOLATION', 'allowed: GET');
      refuseWith(response, { status: 405, error, headers: { allow: 'GET' } });
    } else sendJson(response, 200, Buffer.from(JSON.stringify(this.#accessTokens.metadata)));
    return true;
  }

  #byAccessToken(
    accessTokens: AccessTokens,
    token: string,
    digest: Uint8Array,
    address: string,
  ): Verdict | Promise<Verdict> {
    const { clock, rateLimit } = this.#components;
    const key = Buffer.from(digest).toString('base64url');
    const known = this.#known.get(key);
    if (known !== undefined && leftMs(clock, known.until, CACHED_MS) > 0) return known.credential;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const refusal = rateLimit.take(`address:${plainAddress(address)}`) ?? this.#tooBusy();
    if (refusal !== undefined) return refusal;
    const verdict = accessTokens.verify(token).then((verdict) => {
      this.#pending.delete(key);
      if (!isRefusal(verdict)) this.#remember(key, verdict);
      return verdict;
    });
    this.#pending.set(key, verdict);
    return verdict;
  }

  #remember(key: string, credential: Credential): void {
    const now = this.#components.clock.now();
    this.#known.delete(key);
    if (this.#known.size >= CACHED_MAX) {
      const oldest = this.#known.keys().next();
      if (oldest.done !== true) this.#known.delete(oldest.value);
    }
    const { principal, expiresAt } = credential;
    const until = Math.min(now + CACHED_MS, expiresAt ?? Infinity);
    if (principal.kind === 'client' && expiresAt !== undefined) {
      this.#components.tokens?.came(principal.name, { scopes: principal.scopes, expiresAt });
    }
    this.#known.set(key, { credential, until });
  }

  #tooBusy(): DoorRefusal | undefined {
    if (this.#pending.size < PENDING_MAX) return undefined;
    return {
      status: 503,
      error: new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${PENDING_MAX} access tokens are being verified`,
        { hint: 'try again in a second' },
      ),
      headers: { 'retry-after': '1' },
    };
  }

  /** Says the same to everybody: who has no token is not told where one lies. */
  #refuse(isBare: boolean): DoorRefusal {
    const oauth = this.#init.oauth;
    const other = oauth === undefined ? '' : `, or an access token of ${oauth.issuer}`;
    const text = isBare ? 'this endpoint needs a bearer token' : 'this token lets nobody in here';
    const error = isBare ? undefined : { code: 'invalid_token', text };
    return {
      status: 401,
      error: new StarlingError('STARLING_UNAUTHORIZED', text, {
        hint: `send the header Authorization: Bearer <token>; ask the node's operator for a key (starling key create <name>)${other}`,
      }),
      headers: {
        'www-authenticate':
          this.#accessTokens?.challenge(error) ??
          `Bearer realm="starling"${isBare ? '' : ', error="invalid_token"'}`,
      },
    };
  }
}
