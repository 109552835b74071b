/** Reads the requests of a batch, as OpenAI and Anthropic have them in their files, and fits them to what may be spent. */
import { StarlingError, isObject, messageOf, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import { nameText } from '../names.ts';
import type { ModelName } from '../names.ts';
import { readCall } from '../read-call.ts';
import type { ModelForm, ReadCall } from '../types.ts';
import { fitted } from '../worst-case.ts';
import type { AskedModel } from '../worst-case.ts';
import { CUSTOM_ID_MAX, REQUESTS_MAX, ROWS_AT_ONCE } from './limits.ts';
import { othersFirst } from './others-first.ts';

const URLS: Readonly<Record<string, ModelForm>> = {
  '/v1/chat/completions': 'chat',
  '/v1/embeddings': 'embeddings',
  '/v1/messages': 'messages',
  '/v1/responses': 'responses',
};
const KEYS: readonly string[] = ['custom_id', 'method', 'url', 'body', 'params'];

/** A line of the file that was submitted, checked. */
export interface BatchRequest {
  /** How the caller calls the request. */
  readonly customId: string;
  readonly call: ReadCall;
}

/** Requests as they are sent. */
export interface FittedBatch {
  readonly requests: readonly (BatchRequest & {
    /** What it may cost at the most. */
    readonly worst: Cost;
  })[];
  readonly worst: Cost;
  /** What was added to some of them: `max_tokens=256`. */
  readonly added?: string;
}

/**
 * Reads them: all of one form, for the model `name`; other work goes on meanwhile.
 * @throws STARLING_USAGE, STARLING_MODEL_UNSUPPORTED, which name the request
 */
export async function readRequests(
  given: readonly JsonObject[],
  name: ModelName,
): Promise<readonly BatchRequest[]> {
  if (given.length === 0 || given.length > REQUESTS_MAX) {
    const least = given.length === 0 ? 'has no request' : `has ${given.length} requests`;
    throw new StarlingError(
      'STARLING_USAGE',
      `the batch ${least}: it takes 1 to ${REQUESTS_MAX.toLocaleString('en-US')}`,
      { hint: 'a line of JSON each: {"custom_id": "1", "body": {"messages": […]}}' },
    );
  }
  const seen = new Set<string>();
  const requests: BatchRequest[] = [];
  for (const [at, one] of given.entries()) {
    if (at % ROWS_AT_ONCE === 0) await othersFirst();
    try {
      requests.push(readRequest(one, name, seen));
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      const { code, data, hint } = error;
      const text = `request ${at + 1} of the batch: ${messageOf(error)}`;
      throw new StarlingError(code, text, { ...(hint === undefined ? {} : { hint }), data });
    }
  }
  const forms = new Set(requests.map(({ call }) => call.form));
  if (forms.size === 1) return requests;
  throw new StarlingError(
    'STARLING_USAGE',
    `the requests of a batch are of one kind, and these are of ${[...forms].join(' and ')}`,
    { hint: 'make a batch of each' },
  );
}

function readRequest(given: JsonObject, name: ModelName, seen: Set<string>): BatchRequest {
  const { body, custom_id: customId, method = 'POST', params, url } = given;
  if (typeof customId !== 'string' || customId === '' || customId.length > CUSTOM_ID_MAX) {
    throw wrong(`'custom_id' must name it, in ${CUSTOM_ID_MAX} characters at the most`);
  }
  if (seen.has(customId)) throw wrong(`'${printable(customId)}' is the custom_id of two`);
  seen.add(customId);
  const strange = Object.keys(given).find((key) => !KEYS.includes(key));
  if (strange !== undefined) throw wrong(`'${printable(strange)}' is nothing that it has`);
  if (method !== 'POST') throw wrong("'method' can only be POST");
  const fields = body ?? params;
  if (!isObject(fields) || (body !== undefined && params !== undefined)) {
    throw wrong("it has a 'body', as OpenAI has it, or 'params', as Anthropic has it");
  }
  const form = formOf(url, body === undefined ? 'messages' : 'chat');
  const { model, stream } = fields;
  const names: readonly unknown[] = [undefined, nameText(name), name.model];
  if (!names.includes(model)) {
    throw wrong(`it names the model '${printable(String(model), 80)}', and the batch another`);
  }
  if (stream !== undefined && stream !== false) throw wrong('a batch streams nothing');
  const text = JSON.stringify({ ...fields, model: nameText(name) });
  return { customId, call: readCall(form, Buffer.from(text), {}) };
}

function formOf(url: unknown, usual: ModelForm): ModelForm {
  if (url === undefined) return usual;
  const form = typeof url === 'string' && Object.hasOwn(URLS, url) ? URLS[url] : undefined;
  if (form !== undefined) return form;
  throw wrong(`'url' is one of ${Object.keys(URLS).join(', ')}`);
}

/**
 * The requests as `room` pays for all of them: as they are where that is enough, else each with an equal part of the room.
 */
export async function fittedBatch(
  requests: readonly BatchRequest[],
  asked: AskedModel,
  room: Cost,
): Promise<FittedBatch> {
  const whole = await eachFitted(requests, asked, room);
  const { tokens = 0, usd = 0 } = whole.worst;
  if (tokens <= (room.tokens ?? Infinity) && usd <= (room.usd ?? Infinity)) return whole;
  const part = (amount: number | undefined): number | undefined =>
    amount === undefined ? undefined : Math.floor(amount / requests.length);
  const [partTokens, partUsd] = [part(room.tokens), part(room.usd)];
  const equal = {
    ...(partTokens === undefined ? {} : { tokens: partTokens }),
    ...(partUsd === undefined ? {} : { usd: partUsd }),
  };
  return eachFitted(requests, asked, equal);
}

/** Each as `part` pays for it; other work goes on meanwhile. */
async function eachFitted(
  requests: readonly BatchRequest[],
  asked: AskedModel,
  part: Cost,
): Promise<FittedBatch> {
  const added = new Set<string>();
  const fits: FittedBatch['requests'][number][] = [];
  for (const [at, { call, customId }] of requests.entries()) {
    if (at % ROWS_AT_ONCE === 0) await othersFirst();
    const { call: sent, headers, worst } = fitted(call, asked, part);
    const note = headers['starling-added'];
    if (note !== undefined) added.add(note);
    fits.push({ customId, call: sent, worst });
  }
  const sum = (unit: 'tokens' | 'usd'): number =>
    fits.reduce((all, { worst }) => all + (worst[unit] ?? 0), 0);
  return {
    requests: fits,
    worst: { tokens: sum('tokens'), usd: sum('usd'), calls: requests.length },
    ...(added.size === 0 ? {} : { added: [...added].slice(0, 3).join(', ') }),
  };
}

function wrong(what: string): StarlingError {
  return new StarlingError('STARLING_USAGE', what, {
    hint: 'a line of JSON each: {"custom_id": "1", "body": {"messages": […]}}',
  });
}
