/** Errors in the form of each API, as its clients read them. Pure. */
import { ERRORS, StarlingError, messageOf, toStarlingError } from '../../core/index.ts';
import type { ErrorCode, JsonObject } from '../../core/index.ts';
import { objectIn } from '../json-reading.ts';
import { eventText } from '../translate/stream-translator.ts';
import type { ModelForm } from '../types.ts';

/** Which API a client speaks. */
export type DoorApi = 'openai' | 'anthropic';

const NOT_OURS_TO_TRY: ReadonlySet<ErrorCode> = new Set([
  'STARLING_MODEL_KEY_REFUSED',
  'STARLING_MODEL_INVALID',
]);

/** An error as it is sent. */
export interface ApiError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonObject;
}

/** `error` in the form of `api`. What is no error of ours shows none of its words. */
export function apiError(api: DoorApi, error: unknown, statusGiven?: number): ApiError {
  const known =
    error instanceof StarlingError
      ? error
      : toStarlingError(
          new Error('an error of this node'),
          'STARLING_MODEL_FAILED',
          'the call failed',
        );
  const status = statusGiven ?? statusOf(api, known);
  const hint = known.hint === undefined ? '' : ` (${known.hint})`;
  const message = `${messageOf(known)}${hint} [${known.code}]`;
  const body: JsonObject =
    api === 'openai'
      ? { error: { message, type: openAiType(status), param: null, code: known.code } }
      : { type: 'error', error: { type: anthropicType(status), message } };
  return { status, headers: headersOf(known), body };
}

/** The event by which a stream that had begun says that it failed. */
export function errorEvent(api: DoorApi, error: unknown, form?: ModelForm): string {
  const { body } = apiError(api, error);
  if (form === 'responses') {
    // Its own form, and the one by which clients of chats know an error.
    const { code = null, message = '' } = objectIn(body['error']);
    return eventText({ type: 'error', code, message, param: null, ...body });
  }
  const data = JSON.stringify(body);
  return api === 'openai' ? `data: ${data}\n\n` : `event: error\ndata: ${data}\n\n`;
}

function statusOf(api: DoorApi, { code }: StarlingError): number {
  if (api === 'anthropic' && code === 'STARLING_MODEL_OVERLOADED') return 529;
  return ERRORS[code].http;
}

/** Clients of both vendors try again by themselves, unless they are told that it can't help. */
function headersOf({ code, data }: StarlingError): Readonly<Record<string, string>> {
  const waitMs = data['retryAfterMs'];
  const retry = typeof waitMs === 'number' ? { 'retry-after': `${Math.ceil(waitMs / 1000)}` } : {};
  const isFinal = NOT_OURS_TO_TRY.has(code) || data['reason'] === 'quota';
  return { ...retry, ...(isFinal ? { 'x-should-retry': 'false' } : {}) };
}

function openAiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 504:
      return 'timeout_error';
    case 529:
      return 'overloaded_error';
    default:
      return status < 500 ? 'invalid_request_error' : 'api_error';
  }
}
