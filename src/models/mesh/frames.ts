/**
 * The frames of `/starling/models/1`: one stream a call. Each frame is a message whose first byte says what it is; heads,
 * ends and errors are JSON, the request's body and the answer's data are bytes as they are.
 */
import { ERRORS, StarlingError, isCount, printable } from '../../core/index.ts';
import type { ErrorCode, Json, JsonObject } from '../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn, tokensIn } from '../json-reading.ts';
import { MODEL_FORMS } from '../types.ts';
import type { ModelForm, Usage } from '../types.ts';

/** The protocol's name. */
export const MODELS_PROTOCOL = '/starling/models/1';
/** Grants in one head. */
export const GRANTS_MAX = 256;
/** Of one frame besides a request's body. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** Models in one list. */
export const LIST_MAX = 2000;

const HEADERS_MAX = 8;
const WORDS_MAX = 1500;
const NAME_MAX = 300;
const HEADER_NAMES: readonly string[] = [
  'anthropic-beta',
  'anthropic-version',
  'request-id',
  'starling-added',
  'starling-estimated',
  'starling-ignored',
  'starling-kept',
  'x-request-id',
];
const HEADER_VALUE = /^[\x20-\x7e]{1,1024}$/;

/** What a frame is, as its first byte. */
export const FRAME = {
  /** asker: what is wanted. */
  ask: 0x51,
  /** asker: the request's body. */
  body: 0x42,
  /** owner: the answer has begun. */
  head: 0x48,
  /** owner: bytes of it. */
  data: 0x44,
  /** owner: the answer is whole. */
  end: 0x45,
  /** owner: it has failed. */
  error: 0x58,
  /** owner: it goes on, though nothing has come. */
  alive: 0x4b,
} as const;

/** What is asked for. */
export type AskHead =
  | { readonly op: 'list'; readonly grants: readonly string[]; readonly behalf: Json | undefined }
  | {
      readonly op: 'ask';
      readonly form: ModelForm;
      /** `<provider>/<model>` at the owner. */
      readonly model: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly grants: readonly string[];
      /** For whom the asking node says that it asks. */
      readonly behalf: Json | undefined;
    };

/** A frame whose bytes are `value` as JSON: a head, an end or an error. */
export function jsonFrame(kind: number, value: JsonObject): Buffer {
  return dataFrame(kind, Buffer.from(JSON.stringify(value)));
}

/** A frame of bytes. */
export function dataFrame(kind: number, bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(bytes.length + 1);
  frame[0] = kind;
  frame.set(bytes, 1);
  return frame;
}

/** The JSON of a frame. @throws STARLING_PROTOCOL_VIOLATION */
export function jsonIn(frame: Uint8Array): JsonObject {
  const value = parsedObject(Buffer.from(frame.subarray(1)).toString('utf8'));
  if (value === undefined) throw broken('a frame holds no JSON object');
  return value;
}

/** Reads what is asked for. @throws STARLING_PROTOCOL_VIOLATION, STARLING_MODEL_UNSUPPORTED */
export function readAsk(frame: Uint8Array): AskHead {
  const value = jsonIn(frame);
  const grants = listIn(value['grants']).filter((one): one is string => typeof one === 'string');
  if (grants.length > GRANTS_MAX) throw broken('too many grants in one frame');
  const behalf = value['behalf'];
  if (value['op'] === 'list') return { op: 'list', grants, behalf };
  const form = MODEL_FORMS.find((one) => one === value['form']);
  const model = textIn(value['model']);
  if (value['op'] !== 'ask') throw broken('what is asked for is unknown');
  if (form === undefined) throw newer(value['form']);
  if (model === '' || model.length > NAME_MAX) throw broken('no model is named');
  return { op: 'ask', form, model, grants, behalf, headers: headersIn(value['headers']) };
}

/** A newer version may ask in forms that this one has no word for: no fault of the peer. */
function newer(form: Json | undefined): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_UNSUPPORTED',
    `this node can't be asked for models in the form '${printable(textIn(form).slice(0, 64))}'`,
    { hint: 'update that node, or ask in another API' },
  );
}

/** Headers that may come from a peer: known names, plain values. */
export function headersIn(value: Json | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(objectIn(value))
      .filter(
        (entry): entry is [string, string] =>
          HEADER_NAMES.includes(entry[0]) &&
          typeof entry[1] === 'string' &&
          HEADER_VALUE.test(entry[1]),
      )
      .slice(0, HEADERS_MAX),
  );
}

/** Tokens as a peer tells them; undefined where it tells none that can be. */
export function usageIn(value: Json | undefined): Usage | undefined {
  const told = objectIn(value);
  const { cachedInput, cacheWrite, imageInput, isEstimated } = told;
  if (!isCount(told['input']) || !isCount(told['output'])) return undefined;
  const input = tokensIn(told['input']);
  const output = tokensIn(told['output']);
  if (input === undefined || output === undefined) return undefined;
  return {
    input,
    output,
    ...(isCount(cachedInput) ? { cachedInput } : {}),
    ...(isCount(cacheWrite) ? { cacheWrite } : {}),
    ...(isCount(imageInput) ? { imageInput } : {}),
    ...(isEstimated === true ? { isEstimated } : {}),
  };
}

/** Tokens as they are told. */
export function usageJson(usage: Usage): JsonObject {
  return { ...usage };
}

/** An error as it is told to a peer: what the cause was stays here. */
export function errorJson({ code, message, hint, data }: StarlingError): JsonObject {
  const wait = data['retryAfterMs'];
  const reason = data['reason'];
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(typeof wait === 'number' ? { retryAfterMs: wait } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
  };
}

/** The error that the peer `alias` tells. */
export function errorIn(alias: string, value: JsonObject): StarlingError {
  const { code, message, hint, retryAfterMs: wait, reason } = value;
  const words = (text: Json | undefined): string => printable(textIn(text).slice(0, WORDS_MAX));
  const isKnown = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  return new StarlingError(
    isKnown ? (code as ErrorCode) : 'STARLING_MODEL_FAILED',
    `peer ${alias}: ${words(message)}`,
    {
      ...(words(hint) === '' ? {} : { hint: words(hint) }),
      data: {
        peer: alias,
        ...(isCount(wait) ? { retryAfterMs: wait } : {}),
        ...(reason === 'quota' ? { reason } : {}),
      },
    },
  );
}

/** The peer does not keep to the protocol. */
export function broken(why: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', `${MODELS_PROTOCOL}: ${why}`);
}
