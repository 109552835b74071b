/**
 * Between the eras. A legacy caller on a modern server: `input_required` becomes real requests to the
 * client, and the call is sent again with the answers (MCP 2026-07-28, `basic/patterns/mrtr`). A modern
 * caller on a legacy server: the server's call is held open while the client is asked by
 * `input_required`, and its retry, known by an unguessable handle, answers the server.
 */
import { randomBytes } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { CACHING, isLogLevel, metaOf, objectOf, reaches } from '../wire/era.ts';
import {
  RPC,
  errorBytes,
  errorFrom,
  parseFrame,
  requestBytes,
  resultBytes,
  rewriteFrame,
} from '../wire/frame.ts';
import { modernMeta } from '../wire/client-handshake.ts';
import type {
  Answer,
  ClientFacts,
  FrameEdits,
  ChannelCall,
  ChannelListener,
  NotificationFrame,
  RelayedCall,
  RequestFrame,
  ResponseFrame,
} from '../types.ts';
import type { Instance } from './instance.ts';
import type { ManagedUpstream } from './managed-upstream.ts';

/** How often one call may ask for more. */
const ROUNDS_MAX = 16;
/** Requests of one server that wait for the client. */
const ASKED_MAX = 16;
/** Calls held open for clients that were asked something. */
const HELD_MAX = 1000;
/** How long a client has to come back with the answer. */
const HELD_MS = 600_000;
/** What a server asks within this time of its last question is asked of the client at once. */
const GATHER_MS = 25;
const POOL_MAX = 64;
const HANDLE = 'starling1.';
const METHOD_CAPABILITY: Readonly<Record<string, string>> = {
  'sampling/createMessage': 'sampling',
  'elicitation/create': 'elicitation',
  'roots/list': 'roots',
};

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
  const { call, listener } = init;
  const wanted = Object.entries(objectOf(result['inputRequests'])).slice(0, ASKED_MAX);
  const state = result['requestState'];
  const responses: Record<string, Json> = {};
  let missing = wanted.length;
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
    const { method, params } = objectOf(value);
    const request = requestOf(`input ${key}`, method, objectOf(params));
    const take = (message: Buffer): void => {
      const frame = parseFrame(message);
      if (frame.kind !== 'response') return;
      if (frame.result !== undefined) responses[key] = frame.result;
      else if (method === 'elicitation/create') responses[key] = { action: 'cancel' };
      else {
        if (missing > 0) call.failed(errorFrom(frame.error ?? { code: 0, message: 'no answer' }));
        missing = -1;
        return;
      }
      missing -= 1;
      if (missing === 0) finish();
    };
    if (isDeclared(request.method, init.client)) listener.request(request, take, call);
    else take(undeclared(request));
  }
}

/** `listener`, which is asked only what `client` declares, and what needs no declaration. */
export function discreetListener(listener: ChannelListener, client: ClientFacts): ChannelListener {
  return {
    notification: (frame, related) => listener.notification(frame, related),
    request(frame, answer, related) {
      const isKnown = METHOD_CAPABILITY[frame.method] !== undefined;
      if (isKnown && !isDeclared(frame.method, client)) answer(undeclared(frame));
      else listener.request(frame, answer, related);
    },
  };
}

function isDeclared(method: string, client: ClientFacts): boolean {
  const capability = METHOD_CAPABILITY[method];
  return capability !== undefined && client.capabilities[capability] !== undefined;
}

function undeclared(request: RequestFrame): Buffer {
  return errorBytes(request.id, {
    code: RPC.methodNotFound,
    message: `this client does not serve ${request.method}`,
  });
}

/** A modern call for a legacy server. */
export interface ToLegacy {
  readonly upstream: ManagedUpstream;
  readonly call: RelayedCall;
  readonly client: ClientFacts;
  /** Key of the principal: nobody else may take up its held calls. */
  readonly owner: string;
  /** The level of log messages that the request asks for. */
  readonly logLevel: Json | undefined;
  /** The key of the instance to use, for a slot of the pool. */
  shareKey(slot: string): string;
}

/** Takes up a held call where the request names one, else relays it to an instance of its own. */
export function bridgeToLegacy(init: ToLegacy): ChannelCall {
  const { upstream, call } = init;
  const state = call.request.params['requestState'];
  if (typeof state === 'string' && state.startsWith(HANDLE)) {
    const held = upstream.held.get(state);
    if (held === undefined || held.owner !== init.owner || held.what !== whatOf(call.request)) {
      call.failed(
        new StarlingError('STARLING_USAGE', 'this requestState is not of a call that waits', {
          hint: 'make the call anew, without requestState and inputResponses',
          data: { rpc: RPC.invalidParams },
        }),
      );
      return { cancel: () => undefined };
    }
    upstream.held.delete(state);
    return held.resume(call);
  }
  return new LentCall(init).start();
}

/** The key of the instance in a slot of the pool that modern calls are lent from. */
export function lentKey(shareKey: ToLegacy['shareKey'], slot: number, isAlone = false): string {
  const key = shareKey(`pool ${slot}`);
  return isAlone && !key.includes('#') ? `${key} pool ${slot}` : key;
}

/** A call that is held open while its client finds an answer. */
export interface SuspendedCall {
  readonly owner: string;
  /** Method and name of the call: a retry must be of the same. */
  readonly what: string;
  resume(call: RelayedCall): ChannelCall;
}

interface Asked {
  readonly key: string;
  readonly frame: RequestFrame;
  readonly answer: Answer;
}

/** One modern call on a legacy instance that it has to itself, if it can be asked things. */
class LentCall {
  readonly #init: ToLegacy;
  readonly #asked: Asked[] = [];
  #current: RelayedCall | undefined;
  #final: ResponseFrame | StarlingError | undefined;
  #sent: ChannelCall | undefined;
  #release: () => void = () => undefined;
  #cancelGathering: (() => void) | undefined;
  #cancelExpiry: (() => void) | undefined;
  #count = 0;
  #over = false;

  constructor(init: ToLegacy) {
    this.#init = init;
    this.#current = init.call;
  }

  start(): ChannelCall {
    this.#begin().catch((error: unknown) => this.#finish(failed(error)));
    return this.#handle(this.#init.call);
  }

  async #begin(): Promise<void> {
    const { upstream, call, logLevel } = this.#init;
    const instance = await this.#borrow();
    if (this.#over) return;
    const isOwn = !upstream.config.shared;
    if (isOwn && isLogLevel(logLevel) && instance.handshake.capabilities['logging'] !== undefined) {
      const timeoutMs = 10_000;
      await instance.channel.request('logging/setLevel', { level: logLevel }, { timeoutMs });
      // Given up meanwhile, and the instance perhaps another call's by now.
      if (this.#over) return;
    }
    instance.usedAt = upstream.clock.now();
    this.#sent = instance.channel.relay({
      ...relayedWith(call),
      response: (frame) => this.#finish(modernResponse(frame, call.request.method)),
      progress: (frame) => this.#current?.progress(frame),
      failed: (error) => this.#finish(error),
    });
  }

  /** An instance that no other call has, where the client or its log must not be mixed up. */
  async #borrow(): Promise<Instance> {
    const { upstream, client, logLevel } = this.#init;
    const shareKey = (slot: string): string => this.#init.shareKey(slot);
    const wish = { era: 'legacy', client } as const;
    for (let slot = 0; slot < POOL_MAX; slot += 1) {
      const isAlone =
        shareKey(`pool ${slot}`) !== shareKey('') ||
        (logLevel !== undefined && !upstream.config.shared);
      const key = lentKey(shareKey, slot, isAlone);
      if (upstream.lent.has(key)) continue;
      if (isAlone) upstream.lent.add(key);
      this.#release = () => upstream.lent.delete(key);
      const instance = await upstream.acquire({ ...wish, key });
      // Given up meanwhile, and the instance perhaps lent to another call since.
      if (this.#over || !isAlone) return instance;
      const detach = instance.attach(this.#listener());
      this.#release = () => {
        detach();
        upstream.lent.delete(key);
      };
      return instance;
    }
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${POOL_MAX} calls of this client to server '${upstream.server}' wait for it already`,
    );
  }

  #listener(): ChannelListener {
    const { logLevel } = this.#init;
    return {
      notification: (frame: NotificationFrame) => {
        const isLog = frame.method === 'notifications/message';
        if (!isLog || !isLogLevel(logLevel) || !reaches(frame.params['level'], logLevel)) return;
        this.#current?.notification(frame);
      },
      request: (frame, answer) => this.#ask(frame, answer),
    };
  }

  #ask(frame: RequestFrame, answer: Answer): void {
    const isFull = this.#asked.length >= ASKED_MAX || this.#init.upstream.held.size >= HELD_MAX;
    if (isFull || !isDeclared(frame.method, this.#init.client)) {
      answer(undeclared(frame));
      return;
    }
    this.#count += 1;
    this.#asked.push({ key: `request-${this.#count}`, frame, answer });
    this.#cancelGathering?.();
    this.#cancelGathering = this.#init.upstream.clock.schedule(GATHER_MS, () => {
      this.#cancelGathering = undefined;
      this.#hold();
    });
  }

  /** Tells the client what the server asks, and waits for its retry. */
  #hold(): void {
    const call = this.#current;
    if (call === undefined || this.#asked.length === 0) return;
    const { upstream, owner } = this.#init;
    const handle = `${HANDLE}${randomBytes(32).toString('base64url')}`;
    upstream.held.set(handle, {
      owner,
      what: whatOf(call.request),
      resume: (next) => this.#resume(next),
    });
    this.#current = undefined;
    this.#cancelExpiry = upstream.clock.schedule(HELD_MS, () => {
      upstream.held.delete(handle);
      this.#cancel('the client did not come back');
    });
    const inputRequests = Object.fromEntries(
      this.#asked.map(({ key, frame }) => [key, { method: frame.method, params: frame.params }]),
    );
    const result = { resultType: 'input_required', inputRequests, requestState: handle };
    call.response(responseOf(resultBytes(call.request.id, result)));
  }

  #resume(call: RelayedCall): ChannelCall {
    this.#cancelExpiry?.();
    this.#current = call;
    const responses = objectOf(call.request.params['inputResponses']);
    for (const asked of this.#asked.splice(0)) {
      const response = responses[asked.key];
      if (typeof response !== 'object' || response === null) this.#asked.push(asked);
      else asked.answer(resultBytes(asked.frame.id, objectOf(response)));
    }
    if (this.#final !== undefined) this.#finish(this.#final);
    else if (this.#cancelGathering === undefined) this.#hold();
    return this.#handle(call);
  }

  #finish(final: ResponseFrame | StarlingError): void {
    if (this.#over) return;
    const call = this.#current;
    // Held: the answer waits for the retry.
    if (call === undefined) {
      this.#final = final;
      return;
    }
    this.#end();
    if (final instanceof StarlingError) call.failed(final);
    else call.response(final);
  }

  #handle(call: RelayedCall): ChannelCall {
    return {
      cancel: (reason) => {
        if (this.#current === call) this.#cancel(reason);
      },
    };
  }

  #cancel(reason: string | undefined): void {
    if (this.#over) return;
    this.#sent?.cancel(reason);
    this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#current = undefined;
    this.#cancelGathering?.();
    this.#cancelExpiry?.();
    this.#release();
    for (const { frame, answer } of this.#asked.splice(0)) {
      answer(errorBytes(frame.id, { code: RPC.internal, message: 'the client is gone' }));
    }
  }
}

/** A legacy server's answer as a modern client expects it. */
function modernResponse(frame: ResponseFrame, method: string): ResponseFrame {
  const { error, result } = frame;
  if (error !== undefined) {
    // Resource not found has another code in the modern era.
    const isMissing = method === 'resources/read' && error.code === -32_002;
    if (!isMissing) return frame;
    return responseOf(errorBytes(frame.id, { ...error, code: RPC.invalidParams }));
  }
  const wanted: JsonObject = {
    resultType: 'complete',
    ...(method === 'resources/read' ? { ...CACHING, ttlMs: 0 } : {}),
  };
  const lacking = Object.entries(wanted).filter(([key]) => !(key in (result ?? {})));
  return responseOf(rewriteFrame(frame, { result: Object.fromEntries(lacking) }));
}

/** `call` as a plain object, to be changed in part. */
export function relayedWith(call: RelayedCall): RelayedCall {
  return {
    request: call.request,
    principal: call.principal,
    ...(call.session === undefined ? {} : { session: call.session }),
    ...(call.edits === undefined ? {} : { edits: call.edits }),
    response: (frame) => call.response(frame),
    progress: (frame) => call.progress(frame),
    notification: (frame) => call.notification(frame),
    failed: (error) => call.failed(error),
  };
}

function answered(call: RelayedCall, result: JsonObject): ChannelCall {
  queueMicrotask(() => call.response(responseOf(resultBytes(call.request.id, result))));
  return { cancel: () => undefined };
}

function requestOf(id: string, method: Json | undefined, params: JsonObject): RequestFrame {
  const name = typeof method === 'string' ? method : '';
  return { kind: 'request', bytes: requestBytes(id, name, params), id, method: name, params };
}

/** A response of our own making, parsed. */
export function responseOf(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}

function whatOf(request: RequestFrame): string {
  const { name, uri } = request.params;
  return JSON.stringify([request.method, name ?? uri ?? '']);
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

function failed(error: unknown): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'the server failed', { cause: error });
}
