/**
 * The door for programs that speak the OpenAI or the Anthropic API: the paths below `/v1` of the node's HTTP endpoint. Who
 * comes in has been asked for a key before; which model it may use, the room decides.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Json } from '../../core/index.ts';
import { readRequestBody } from '../../gateway/index.ts';
import type { Credential, DoorRefusal, ModelsFace } from '../../gateway/index.ts';
import type { Models } from '../models.ts';
import { readModelName } from '../names.ts';
import { readCall } from '../read-call.ts';
import type { ListedModel, ModelAnswer, ModelForm } from '../types.ts';
import { apiError, errorEvent } from './api-errors.ts';
import type { DoorApi } from './api-errors.ts';

const FORMS: Readonly<Record<string, ModelForm>> = {
  '/v1/chat/completions': 'chat',
  '/v1/responses': 'responses',
  '/v1/embeddings': 'embeddings',
  '/v1/moderations': 'moderations',
  '/v1/messages': 'messages',
  '/v1/messages/count_tokens': 'count_tokens',
};
const RESPONSES_PATH = '/v1/responses';
const MODELS_PATH = '/v1/models';
const THERE = [...Object.keys(FORMS), MODELS_PATH].join(', ');
/** What a provider of the same API may see of a caller's headers. */
const PASSED: readonly string[] = ['anthropic-version', 'anthropic-beta'];
const HEADER_MAX = 1024;
/** A caller that reads nothing for so long is given up: its call holds a place, and what it may cost. */
const UNREAD_MS = 300_000;
const TASK_ID = /^[\w.-]{1,64}$/;

/** What the door works with. */
export interface ModelsDoorComponents {
  readonly models: Models;
  readonly clock: Clock;
}

/** Makes the door; `messageBytes` bounds a request. */
export function createModelsDoor(
  components: ModelsDoorComponents,
  init: { readonly messageBytes: number },
): ModelsFace {
  return {
    serve: (request, response, path, credential) =>
      serve(components, init.messageBytes, { request, response, path, credential }),
    refuse(request, response, path, refusal) {
      fail(response, apiOf(request, path), refusal.error, refusal);
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly credential: Credential;
}

/** By the path, and where both APIs have it, by the header that only clients of one of them send. */
function apiOf({ headers }: IncomingMessage, path: string): DoorApi {
  const isAnthropic =
    path.startsWith('/v1/messages') ||
    (headers['anthropic-version'] !== undefined && !Object.hasOwn(FORMS, path));
  return isAnthropic ? 'anthropic' : 'openai';
}

function serve(components: ModelsDoorComponents, messageBytes: number, exchange: Exchange): void {
  const { request, response, path } = exchange;
  const api = apiOf(request, path);
  const isModels = path === MODELS_PATH || path.startsWith(`${MODELS_PATH}/`);
  const form = Object.hasOwn(FORMS, path) ? FORMS[path] : undefined;
  if (form === undefined && !isModels) {
    if (path.startsWith(`${RESPONSES_PATH}/`)) return fail(response, api, nothingKept());
    return fail(response, api, usage(`nothing is at ${path.slice(0, 128)}; here are ${THERE}`), {
      status: 404,
    });
  }
  const allowed = isModels ? 'GET' : 'POST';
  if (request.method !== allowed) {
    const headers = { allow: allowed };
    return fail(response, api, usage(`allowed: ${allowed}`), { status: 405, headers });
  }
  if (form === undefined) return settle(listModels(components, api, exchange), response, api);
  return readRequestBody(request, messageBytes, {
    whole: (body) => settle(answer(components, form, exchange, body), response, api, form),
    tooLarge: () =>
      fail(
        response,
        api,
        new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `the request is over the limit of ${messageBytes} bytes (limits.messageBytes)`,
          { data: { limit: 'limits.messageBytes' } },
        ),
      ),
  });
}

function settle(
  work: Promise<void>,
  response: ServerResponse,
  api: DoorApi,
  form?: ModelForm,
): void {
  work.catch((error: unknown) => {
    if (!response.headersSent) return fail(response, api, error);
    if (!response.destroyed) response.end(errorEvent(api, error, form));
    return undefined;
  });
}

async function answer(
  { models, clock }: ModelsDoorComponents,
  form: ModelForm,
  { request, response, credential }: Exchange,
  body: Buffer,
): Promise<void> {
  const task = taskIn(request);
  const read = readCall(form, body, passedHeaders(request));
  const call = { ...read, ...(task === undefined ? {} : { task }) };
  const signal = untilGone(response);
  const made = await models.ask(call, credential.principal, signal);
  await (made.isStream ? sendStream(response, made, clock) : sendWhole(response, made));
}

function passedHeaders({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(
    PASSED.flatMap((name): [string, string][] => {
      const value = headers[name];
      return typeof value === 'string' && value.length <= HEADER_MAX ? [[name, value]] : [];
    }),
  );
}

/** The task that the caller names, where that can be the id of one. */
function taskIn({ headers }: IncomingMessage): string | undefined {
  const named = headers['starling-task'];
  return typeof named === 'string' && TASK_ID.test(named) ? named : undefined;
}

/** Aborted when the caller goes before it has its answer. */
function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('the caller went'));
  });
  return gone.signal;
}

async function sendWhole(response: ServerResponse, { body, headers }: ModelAnswer): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  response
    .writeHead(200, { ...headers, 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(Buffer.concat(chunks));
}

/** The head goes with the first bytes: what fails before has its own status. */
async function sendStream(
  response: ServerResponse,
  { body, headers }: ModelAnswer,
  clock: Clock,
): Promise<void> {
  for await (const chunk of body) {
    if (!response.headersSent) {
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
    }
    if (!response.write(chunk)) await drained(response, clock);
  }
  response.end();
}

/** Resolves when the caller has read; rejects when it has gone, or reads no more. */
async function drained(response: ServerResponse, clock: Clock): Promise<void> {
  // One that has gone already says so no more.
  if (response.destroyed) throw new Error('the caller went');
  const over = new AbortController();
  const stopWaiting = clock.schedule(UNREAD_MS, () => response.destroy());
  try {
    await Promise.race([
      once(response, 'drain', { signal: over.signal }),
      once(response, 'close', { signal: over.signal }).then(() => {
        throw new Error('the caller went');
      }),
    ]);
  } finally {
    stopWaiting();
    over.abort();
  }
}

async function listModels(
  { models, clock }: ModelsDoorComponents,
  api: DoorApi,
  { response, path, credential }: Exchange,
): Promise<void> {
  const { models: listed } = await models.list(credential.principal, untilGone(response));
  const entries = listed.map((model) => entryOf(api, model, clock.now()));
  if (path === MODELS_PATH || path === `${MODELS_PATH}/`) {
    return send(response, api === 'openai' ? { object: 'list', data: entries } : page(entries));
  }
  const wanted = wantedIn(path);
  const at = listed.findIndex(({ name, shortName }) => name === wanted || shortName === wanted);
  const entry = entries[at];
  if (entry !== undefined) return send(response, entry);
  readModelName(wanted);
  throw new StarlingError('STARLING_MODEL_UNKNOWN', `there is no model '${wanted}' for this key`, {
    hint: `see which there are: GET ${MODELS_PATH}`,
  });
}

function wantedIn(path: string): string {
  try {
    return decodeURIComponent(path.slice(MODELS_PATH.length + 1)).slice(0, 300);
  } catch {
    // Its percent-encoding is broken: no model is called so.
    return '';
  }
}

function entryOf(api: DoorApi, { name, shortName = name }: ListedModel, now: number): Json {
  if (api === 'openai') {
    const owner = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : 'starling';
    return { id: shortName, object: 'model', created: Math.floor(now / 1000), owned_by: owner };
  }
  const at = new Date(now).toISOString();
  return { type: 'model', id: shortName, display_name: name, created_at: at };
}

/** A page of the Anthropic API, which holds all. */
function page(entries: readonly Json[]): Json {
  const idOf = (entry: Json | undefined): Json =>
    (entry as { readonly id?: string } | undefined)?.id ?? null;
  return {
    data: [...entries],
    has_more: false,
    first_id: idOf(entries[0]),
    last_id: idOf(entries.at(-1)),
  };
}

function send(response: ServerResponse, body: Json): void {
  response
    .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}

function fail(
  response: ServerResponse,
  api: DoorApi,
  error: unknown,
  given: Partial<Pick<DoorRefusal, 'status' | 'headers'>> = {},
): void {
  if (response.destroyed) return;
  const { status, headers, body } = apiError(api, error, given.status);
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers, ...given.headers })
    .end(JSON.stringify(body));
}

function nothingKept(): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_UNSUPPORTED',
    `this node keeps no responses: nothing is below ${RESPONSES_PATH}`,
    { hint: `send the whole conversation in input to POST ${RESPONSES_PATH}` },
  );
}

function usage(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what);
}
