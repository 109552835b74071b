/**
 * Calls to a modern server. A modern client's call goes as it is; a legacy client's is bridged: where
 * the server answers `input_required`, the client is asked by real requests, and the call is sent
 * again with the answers (MCP 2026-07-28, `basic/patterns/mrtr`).
 */
import { StarlingError } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { modernMeta } from '../../wire/client-handshake.ts';
import { metaOf, objectOf } from '../../wire/era.ts';
import { errorFrom, parseFrame, requestBytes, rewriteFrame } from '../../wire/frame.ts';
import type {
  ChannelCall,
  ChannelListener,
  ClientFacts,
  RelayedCall,
} from '../../channel-types.ts';
import type { FrameEdits, RequestFrame } from '../../frame-types.ts';
import type { Instance } from '../instances/instance.ts';
import { isDeclared, undeclared } from './declared-capabilities.ts';
import { answered, relayedWith, responseOf } from './relayed-call.ts';

/** How often one call may ask for more. */
const ROUNDS_MAX = 16;
/** Requests of one round that the client is asked; those beyond are left out. */
const REQUESTS_MAX = 16;

/**
 * Relays a modern call to a modern server, which may ask of `client` what that declares and no more.
 * A result that does not say of what type it is, is complete; clients want to read that.
 */
export function relayModern(
  instance: Instance,
  call: RelayedCall,
  client: ClientFacts,
): ChannelCall {
  return instance.channel.relay({
    ...relayedWith(call),
    response(frame) {
      const asked = undeclaredIn(frame.result, client);
      if (asked !== undefined) call.failed(overreach(asked));
      else if (frame.result === undefined || 'resultType' in frame.result) call.response(frame);
      else call.response(responseOf(rewriteFrame(frame, { result: { resultType: 'complete' } })));
    },
  });
}

/** What `result` asks of a client that does not serve it. */
function undeclaredIn(result: JsonObject | undefined, client: ClientFacts): string | undefined {
  if (result?.['resultType'] !== 'input_required') return undefined;
  return Object.values(objectOf(result['inputRequests']))
    .map((request) => String(objectOf(request)['method']))
    .find((method) => !isDeclared(method, client));
}

/** A legacy call for a modern instance. */
export interface ToModern {
  readonly instance: Instance;
  readonly call: RelayedCall;
  readonly client: ClientFacts;
  readonly listener: ChannelListener;
  readonly logLevel?: string;
}

/** Relays a legacy call to a modern server. */
export function bridgeToModern(init: ToModern): ChannelCall {
  const { call, instance } = init;
  const { method } = call.request;
  if (method === 'logging/setLevel') return answered(call, {});
  if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
    instance.listen();
    return answered(call, {});
  }
  let sent: ChannelCall | undefined;
  let over = false;
  const present = metaOf(call.request.params);
  const meta = Object.fromEntries(
    Object.entries(modernMeta(init.client, init.logLevel)).filter(([key]) => !(key in present)),
  );
  const send = (round: number, params: FrameEdits['params']): void => {
    sent = instance.channel.relay({
      ...relayedWith(call),
      edits: { ...call.edits, meta, ...(params === undefined ? {} : { params }) },
      response(frame) {
        if (over) return;
        if (frame.result?.['resultType'] !== 'input_required') call.response(frame);
        else if (round >= ROUNDS_MAX) call.failed(tooManyRounds());
        else gather(init, frame.result, (next) => !over && send(round + 1, next));
      },
    });
  };
  send(1, undefined);
  return {
    cancel(reason) {
      over = true;
      sent?.cancel(reason);
    },
  };
}

/** Asks the client all that the server wants to know; `next` gets the params of the retry. */
function gather(init: ToModern, result: JsonObject, next: (params: JsonObject) => void): void {
  const wanted = Object.entries(objectOf(result['inputRequests'])).slice(0, REQUESTS_MAX);
  const state = result['requestState'];
  const responses: Record<string, Json> = {};
  let missing = wanted.length;
  let isRefused = false;
  const finish = (): void =>
    next({
      ...(wanted.length === 0 ? {} : { inputResponses: responses }),
      ...(typeof state === 'string' ? { requestState: state } : {}),
    });
  if (missing === 0) {
    finish();
    return;
  }
  for (const [key, value] of wanted) {
    askClient(init, key, objectOf(value), (answer) => {
      if (isRefused) return;
      if (answer instanceof StarlingError) {
        isRefused = true;
        init.call.failed(answer);
        return;
      }
      responses[key] = answer;
      missing -= 1;
      if (missing === 0) finish();
    });
  }
}

/** Asks the client one thing; `take` gets its result, or why the whole call fails. */
function askClient(
  { call, client, listener }: ToModern,
  key: string,
  { method, params }: JsonObject,
  take: (answer: JsonObject | StarlingError) => void,
): void {
  const request = requestOf(`input ${key}`, method, objectOf(params));
  const hear = (message: Buffer): void => {
    const frame = parseFrame(message);
    if (frame.kind !== 'response') return;
    if (frame.result !== undefined) take(frame.result);
    // A person who is not there has a word of its own; the other questions have none.
    else if (method === 'elicitation/create') take({ action: 'cancel' });
    else take(errorFrom(frame.error ?? { code: 0, message: 'no answer' }));
  };
  if (isDeclared(request.method, client)) listener.request(request, hear, call);
  else hear(undeclared(request));
}

function requestOf(id: string, method: Json | undefined, params: JsonObject): RequestFrame {
  const name = typeof method === 'string' ? method : '';
  return { kind: 'request', bytes: requestBytes(id, name, params), id, method: name, params };
}

function overreach(method: string): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `the server asked for ${method}, which it was told that this client does not serve`,
  );
}

function tooManyRounds(): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `the server asked for input ${ROUNDS_MAX} times without an answer`,
  );
}
