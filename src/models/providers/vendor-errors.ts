/** What a provider's refusal means, whichever API it speaks: status, headers and body become an error of ours. Pure. */
import { StarlingError, isObject, printable } from '../../core/index.ts';
import type { ErrorCode, Json, JsonObject } from '../../core/index.ts';
import { objectIn, parsedObject, textIn } from '../json-reading.ts';

const WORDS_MAX = 400;
const TOO_LONG =
  /input token count .{0,40}exceeds|context_length_exceeded|exceed_context_size|prompt is too long|maximum context|context (?:length|window|size)/i;
const FILTERED =
  /content_filter|content_policy_violation|content management policy|responsible_ai/i;
/** Google calls a wrong key a bad request. */
const BAD_KEY = /"API_KEY_INVALID"|API key (?:not valid|expired)/;
/** And says in the body how long to wait. */
const RETRY_DELAY = /"retryDelay":\s*"(\d{1,6}(?:\.\d{1,9})?)s"/;
const RETRY_MAX_MS = 86_400_000;

/** A refusal as it came. */
export interface VendorRefusal {
  readonly provider: string;
  /** By the provider's own name. */
  readonly model: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** Where the configuration says how this node is known to the provider; default `keyFrom`. */
  readonly keyAt?: 'keyFrom' | 'oauth';
  readonly now: number;
}

/** The error for a refusal. What the provider says of the key is left out: it may quote the key. */
export function vendorError(refusal: VendorRefusal): StarlingError {
  const { provider, model, status, body } = refusal;
  const said = wordsOf(body);
  const data = { provider, status };
  const fail = (code: ErrorCode, text: string, hint: string, more = {}): StarlingError =>
    new StarlingError(code, text, { hint, data: { ...data, ...more } });
  const saying = said === '' ? '' : `: ${said}`;
  if (status === 401 || status === 403 || (status === 400 && BAD_KEY.test(body))) {
    if (refusal.keyAt === 'oauth') {
      return fail(
        'STARLING_MODEL_KEY_REFUSED',
        `provider ${provider} refuses the access token that this node got for it (HTTP ${status})`,
        `see models.providers.${provider}.oauth: the client and its scopes`,
      );
    }
    return fail(
      'STARLING_MODEL_KEY_REFUSED',
      `provider ${provider} refuses the key that this node has for it (HTTP ${status})`,
      `name another in models.providers.${provider}.keyFrom`,
    );
  }
  if (TOO_LONG.test(body)) {
    const text = `the request is longer than the context of ${provider}/${model}${saying}`;
    return fail('STARLING_MODEL_CONTEXT', text, 'send less, or choose a model with more context');
  }
  if (status === 400 && FILTERED.test(body)) {
    const text = `the content filter of provider ${provider} refuses the request${saying}`;
    const more = { reason: 'content_filter' };
    return fail(
      'STARLING_MODEL_REJECTED',
      text,
      'say it in other words, or choose another model',
      more,
    );
  }
  if (status === 404) {
    const text = `provider ${provider} has no model '${printable(model)}'${saying}`;
    return fail(
      'STARLING_MODEL_UNKNOWN',
      text,
      'see which there are: GET /v1/models, or: starling model list',
    );
  }
  if (status === 429) return rateLimited(refusal, saying);
  if (status === 503 || status === 529) {
    const text = `provider ${provider} has too much to do (HTTP ${status})${saying}`;
    return fail('STARLING_MODEL_OVERLOADED', text, 'try again later', retryOf(refusal));
  }
  if (status >= 500) {
    const text = `provider ${provider} failed (HTTP ${status})${saying}`;
    return fail('STARLING_MODEL_FAILED', text, 'try again, or choose another model');
  }
  if (status >= 300 && status < 400) {
    const text = `provider ${provider} sends this node to another place (HTTP ${status}), which it does not go to`;
    return fail('STARLING_MODEL_INVALID', text, `set models.providers.${provider}.endpoint anew`);
  }
  const text = `provider ${provider} refuses the request (HTTP ${status})${saying}`;
  return fail('STARLING_MODEL_REJECTED', text, 'send what the provider takes');
}

/** The error for one that a provider sent within a stream which had begun well. `withoutKeys` takes out what it may quote. */
export function streamError(
  provider: string,
  error: JsonObject,
  withoutKeys: (text: string) => string,
): StarlingError {
  const type = textIn(error['type']) || textIn(error['status']);
  const said = shown(withoutKeys(textIn(error['message'])));
  const isBusy = type === 'overloaded_error' || type === 'UNAVAILABLE';
  return new StarlingError(
    isBusy ? 'STARLING_MODEL_OVERLOADED' : 'STARLING_MODEL_FAILED',
    `provider ${provider} ended its answer with an error${said === '' ? '' : `: ${said}`}`,
    { hint: 'try again, or choose another model', data: { provider } },
  );
}

function rateLimited(refusal: VendorRefusal, saying: string): StarlingError {
  const { provider, status, body } = refusal;
  const isQuota = body.includes('insufficient_quota');
  const retry = retryOf(refusal);
  const wait = 'retryAfterMs' in retry ? `wait ${retry.retryAfterMs} ms` : 'wait a while';
  return new StarlingError(
    'STARLING_RATE_LIMITED',
    isQuota
      ? `what provider ${provider} lets this node use is used up${saying}`
      : `provider ${provider} takes no more requests for now${saying}`,
    {
      hint: isQuota ? `see your account at ${provider}` : wait,
      data: { provider, status, ...retry, ...(isQuota ? { reason: 'quota' } : {}) },
    },
  );
}

/** RFC 9110 §10.2.3: seconds or a date; some providers say milliseconds in a header of their own. */
function retryOf({ headers, body, now }: VendorRefusal): { readonly retryAfterMs?: number } {
  const byMs = Number(headers['retry-after-ms'] ?? Number.NaN);
  const text = String(headers['retry-after'] ?? '');
  const bySeconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) * 1000 : Number.NaN;
  const byBody = Number(RETRY_DELAY.exec(body)?.[1] ?? Number.NaN) * 1000;
  const waits = [byMs, bySeconds, Date.parse(text) - now, byBody];
  const waitMs = waits.find((one) => Number.isFinite(one) && one >= 0);
  return waitMs === undefined ? {} : { retryAfterMs: Math.min(RETRY_MAX_MS, Math.round(waitMs)) };
}

/** What the provider says, whatever form that has; on one line, bounded. */
function wordsOf(body: string): string {
  const parsed: Json | undefined = parsedObject(body);
  if (parsed === undefined) return '';
  const { error, message, detail } = objectIn(parsed);
  const inner = isObject(error) ? objectIn(error)['message'] : error;
  return shown([inner, message, detail].map(textIn).find((text) => text !== '') ?? '');
}

function shown(text: string): string {
  return printable(text.slice(0, WORDS_MAX)).replaceAll(/\s+/g, ' ').trim();
}
