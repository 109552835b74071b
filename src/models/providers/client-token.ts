/**
 * The access token of a provider that has OAuth in place of a key: by client credentials (RFC 6749 §4.4), kept in memory as
 * long as the token is good, one request for all who need it. The client's secret goes to the token endpoint alone, the
 * token to the provider's endpoint alone.
 */
import { StarlingError, isCount, messageOf } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import type { ProviderOAuth } from '../../config/index.ts';
import { readBody } from '../../gateway/index.ts';
import type { Exchanger } from '../../gateway/index.ts';
import { objectIn, parsedObject, textIn } from '../json-reading.ts';

const TIMEOUT_MS = 15_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const TOKEN = /^[\x21-\x7e]{1,16384}$/;
/** An error code of RFC 6749 §5.2, which tells no secret. */
const ERROR_CODE = /^[a-z_]{1,64}$/;
/** How long a token is used of which nobody says how long it is good, ms. */
const UNSAID_MS = 300_000;
const LONGEST_MS = 86_400_000;
/** The share of a token's time in which the token is used. */
const USED_SHARE = 0.9;
/** How long the token endpoint is left alone after it gave no token, or after a token that the provider refused, ms. */
const REST_MS = 5000;
/** Tokens that are taken out of texts: answers that began with an earlier one may still come. */
const HIDDEN_MAX = 8;

/** The token of one provider. */
export interface ClientToken {
  /**
   * A token that is good now.
   * @throws STARLING_MODEL_KEY_REFUSED when the token endpoint gives none, STARLING_SECRET_MISSING, the reason of `signal`
   */
  get(signal?: AbortSignal): Promise<string>;
  /** The provider refuses `token`. True where {@link get} gives another than that one: the request is worth a second try. */
  refused(token: string): boolean;
  /** What must be in no text: the client's secret and the newest tokens. @throws STARLING_SECRET_MISSING */
  secrets(): readonly string[];
}

interface Kept {
  readonly token: string;
  readonly since: number;
  readonly until: number;
}

/** Makes it for the provider `name`; nobody is asked before a token is needed. */
export function createClientToken(
  components: { readonly exchanger: Exchanger; readonly clock: Clock },
  name: string,
  oauth: ProviderOAuth,
): ClientToken {
  const { clock } = components;
  const issued: string[] = [];
  let kept: Kept | undefined;
  let failed: { readonly error: unknown; readonly at: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask = async (): Promise<string> => {
    // A secret that is not set is no failure of the endpoint: once it is set, that one is asked at once.
    const secret = oauth.clientSecret.reveal();
    try {
      const { forMs, token } = await askToken(components, name, oauth, secret);
      const since = clock.now();
      kept = { token, since, until: since + forMs * USED_SHARE };
      issued.unshift(token);
      issued.length = Math.min(issued.length, HIDDEN_MAX);
      return token;
    } catch (error) {
      failed = { error, at: clock.now() };
      throw error;
    }
  };
  // After a clock was set back nobody knows how long ago something was.
  const isWithin = (at: number, ms: number): boolean => clock.now() >= at && clock.now() < at + ms;
  return {
    async get(signal) {
      signal?.throwIfAborted();
      if (kept !== undefined && isWithin(kept.since, kept.until - kept.since)) return kept.token;
      if (failed !== undefined && isWithin(failed.at, REST_MS)) throw failed.error;
      failed = undefined;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return untilAborted(asking, signal);
    },
    refused(token) {
      if (kept?.token !== token) return true;
      // A provider that refuses what is just issued refuses the next one too.
      if (isWithin(kept.since, REST_MS)) return false;
      kept = undefined;
      return true;
    },
    secrets: () => [oauth.clientSecret.reveal(), ...issued],
  };
}

/** Gives what `promise` gives, unless who waits goes before: the others wait on. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      const reason: unknown = signal.reason;
      reject(reason instanceof Error ? reason : new Error('the caller went'));
    };
    signal.addEventListener('abort', gone, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone));
  });
}

async function askToken(
  { exchanger, clock }: { readonly exchanger: Exchanger; readonly clock: Clock },
  name: string,
  { clientId, scopes, tokenUrl }: ProviderOAuth,
  secret: string,
): Promise<{ readonly token: string; readonly forMs: number }> {
  const asked = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scopes.length > 0) asked.set('scope', scopes.join(' '));
  const both = [clientId, secret].map((part) => formEncoded(part)).join(':');
  const exchange = exchanger.start({
    method: 'POST',
    url: new URL(tokenUrl),
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from(both).toString('base64')}`,
    },
    body: Buffer.from(asked.toString()),
  });
  const stopWaiting = clock.schedule(TIMEOUT_MS, () =>
    exchange.abort(new Error(`nothing came within ${TIMEOUT_MS / 1000} s`)),
  );
  const [status, body] = await exchange.reply
    .then(async (reply) => [reply.status, await readBody(reply, ANSWER_BYTES_MAX)] as const)
    .catch((error: unknown) => {
      throw noToken(name, `gave no answer: ${messageOf(error)}`);
    })
    .finally(stopWaiting);
  return tokenIn(name, status, objectIn(parsedObject(body.toString('utf8'))));
}

/** The token in an answer (RFC 6749 §5.1). @throws STARLING_MODEL_KEY_REFUSED */
function tokenIn(
  name: string,
  status: number,
  { access_token, error, expires_in, token_type }: JsonObject,
): { readonly token: string; readonly forMs: number } {
  if (status < 200 || status >= 300) {
    const code = ERROR_CODE.test(textIn(error)) ? `, ${textIn(error)}` : '';
    throw noToken(name, `gave this node no token (HTTP ${status}${code})`);
  }
  const token = textIn(access_token);
  const isBearer = token_type === undefined || textIn(token_type).toLowerCase() === 'bearer';
  if (!TOKEN.test(token) || !isBearer) throw noToken(name, 'answered, but with no bearer token');
  // Some say the number as a text.
  const seconds = Number(/^\d{1,9}$/.test(String(expires_in)) ? expires_in : Number.NaN);
  const forMs = isCount(seconds) && seconds > 0 ? seconds * 1000 : UNSAID_MS;
  return { token, forMs: Math.min(LONGEST_MS, forMs) };
}

/** RFC 6749 §2.3.1 has id and secret in the form of `application/x-www-form-urlencoded`. */
function formEncoded(text: string): string {
  return new URLSearchParams({ v: text }).toString().slice(2);
}

/** Whatever the reason, the provider was not asked: the call has cost nothing, and other providers may be asked. */
function noToken(provider: string, what: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_KEY_REFUSED',
    `the token endpoint of provider ${provider} ${what}`,
    {
      hint: `see models.providers.${provider}.oauth in the config file, and that this machine reaches its tokenUrl`,
      data: { provider },
    },
  );
}
