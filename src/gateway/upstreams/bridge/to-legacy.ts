/**
 * A modern client's call on a legacy server: the server's own call stays open while the client is
 * asked by `input_required`, and the client's retry, known by an unguessable handle, answers the
 * server's questions (MCP 2026-07-28, `basic/patterns/mrtr`).
 */
import { randomBytes } from 'node:crypto';
import { StarlingError } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { CACHING, isLogLevel, objectOf, reaches } from '../../wire/era.ts';
import { RPC, errorBytes, resultBytes, rewriteFrame } from '../../wire/frame.ts';
import type {
  Answer,
  ChannelCall,
  ChannelListener,
  ClientFacts,
  RelayedCall,
} from '../../channel-types.ts';
import type { NotificationFrame, RequestFrame, ResponseFrame } from '../../frame-types.ts';
import type { Instance } from '../instances/instance.ts';
import type { ServerInstances } from '../instances/server-instances-types.ts';
import { startedInTime } from '../instances/start-patience.ts';
import { asUpstreamError } from '../upstream-errors.ts';
import { isDeclared, undeclared } from './declared-capabilities.ts';
import { legacyRequest } from './legacy-request.ts';
import { OVER, relayedWith, responseOf } from './relayed-call.ts';
import { isOfTaskOnly, relayAsTask } from './task-only.ts';

/** Requests of one server that wait for the client. */
const QUESTIONS_MAX = 16;
/** Calls of one server that are suspended until their clients come back. */
const SUSPENDED_MAX = 1000;
/** How long a client has to come back with the answers. Longer keeps more calls of clients that never do. */
const SUSPENDED_MS = 600_000;
/** What a server asks within this time of its last question is asked of the client in one round. */
const GATHER_MS = 25;
/** Instances of one client that calls have to themselves. */
const POOL_MAX = 64;
const LEVEL_TIMEOUT_MS = 10_000;
/** What our handles begin with: a `requestState` of another server is none of ours. */
const HANDLE = 'starling1.';

/** A modern call for a legacy server. */
export interface ToLegacy {
  readonly upstream: ServerInstances;
  readonly call: RelayedCall;
  readonly client: ClientFacts;
  /** Key of the principal: nobody else may take up its suspended calls. */
  readonly owner: string;
  /** The level of log messages that the request asks for. */
  readonly logLevel: Json | undefined;
  /** The key of the instance in a slot of the client's pool. */
  shareKey(slot: string): string;
}

/** Whether the request is to go on with a call that a bridge has suspended: it has a handle of ours. */
export function isOfSuspended({ request }: Pick<RelayedCall, 'request'>): boolean {
  return isHandle(request.params['requestState']);
}

function isHandle(state: Json | undefined): state is string {
  return typeof state === 'string' && state.startsWith(HANDLE);
}

/** Takes up a suspended call where the request names one, else relays it to an instance of its own. */
export function bridgeToLegacy(init: ToLegacy): ChannelCall {
  const { upstream, call } = init;
  const state = call.request.params['requestState'];
  if (isHandle(state)) {
    const suspended = upstream.suspended.get(state);
    const isTheirs =
      suspended?.owner === init.owner && suspended.subject === subjectOf(call.request);
    if (suspended === undefined || !isTheirs) {
      call.failed(
        new StarlingError('STARLING_USAGE', 'this requestState is not of a call that waits', {
          hint: 'make the call anew, without requestState and inputResponses',
          data: { rpc: RPC.invalidParams },
        }),
      );
      return OVER;
    }
    upstream.suspended.delete(state);
    return suspended.resume(call);
  }
  return new BridgedCall(init).start();
}

/** The key of the instance in slot `slot` of the pool from which modern calls have instances. */
export function poolKey(shareKey: ToLegacy['shareKey'], slot: number, isAlone = false): string {
  const key = shareKey(`pool ${slot}`);
  return isAlone && !key.includes('#') ? `${key} pool ${slot}` : key;
}

/** A request of the server that the client has not answered yet. */
interface Question {
  readonly key: string;
  readonly frame: RequestFrame;
  readonly answer: Answer;
}

/** One modern call on a legacy instance, which the call has to itself where its client can be asked things. */
class BridgedCall {
  readonly #init: ToLegacy;
  readonly #questions: Question[] = [];
  /** The request that waits for our answer: undefined while the call is suspended. */
  #current: RelayedCall | undefined;
  /** The server's answer, where it came while the call was suspended. */
  #final: ResponseFrame | StarlingError | undefined;
  #sent: ChannelCall | undefined;
  #release: () => void = () => undefined;
  #cancelGathering: (() => void) | undefined;
  #cancelExpiry: (() => void) | undefined;
  #questionCount = 0;
  #over = false;

  constructor(init: ToLegacy) {
    this.#init = init;
    this.#current = init.call;
  }

  start(): ChannelCall {
    this.#begin().catch((error: unknown) =>
      this.#finish(asUpstreamError(error, this.#init.upstream.server)),
    );
    return this.#handle(this.#init.call);
  }

  async #begin(): Promise<void> {
    const { upstream, call, logLevel } = this.#init;
    const instance = await startedInTime(upstream, this.#borrow());
    if (this.#over) return;
    const isOwn = !upstream.config.shared;
    if (isOwn && isLogLevel(logLevel) && instance.handshake.capabilities['logging'] !== undefined) {
      await instance.channel.request(
        'logging/setLevel',
        { level: logLevel },
        { timeoutMs: LEVEL_TIMEOUT_MS },
      );
      // The call was given up meanwhile, and another call may have the instance by now.
      if (this.#over) return;
    }
    instance.usedAt = upstream.clock.now();
    const relayed: RelayedCall = {
      ...relayedWith(call),
      request: legacyRequest(call.request),
      response: (frame) => this.#finish(modernResponse(frame, call.request.method)),
      progress: (frame) => this.#current?.progress(frame),
      failed: (error) => this.#finish(error),
    };
    const { logger, server } = upstream;
    this.#sent = isOfTaskOnly(call, upstream)
      ? relayAsTask({ instance, call: relayed, server, logger })
      : instance.channel.relay(relayed);
  }

  /** An instance that no other call has, where the client or its log must not be mixed up. */
  async #borrow(): Promise<Instance> {
    const { upstream, client, logLevel } = this.#init;
    const shareKey = (slot: string): string => this.#init.shareKey(slot);
    for (let slot = 0; slot < POOL_MAX; slot += 1) {
      const isAlone =
        shareKey(`pool ${slot}`) !== shareKey('') ||
        (logLevel !== undefined && !upstream.config.shared);
      const key = poolKey(shareKey, slot, isAlone);
      if (upstream.exclusive.has(key)) continue;
      if (isAlone) upstream.exclusive.add(key);
      this.#release = () => upstream.exclusive.delete(key);
      const instance = await upstream.acquire({ key, era: 'legacy', client });
      // A call that was given up meanwhile has no instance: another call may have this one by now.
      if (this.#over || !isAlone) return instance;
      const detach = instance.attach(this.#listener());
      this.#release = () => {
        detach();
        upstream.exclusive.delete(key);
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
    const isFull =
      this.#questions.length >= QUESTIONS_MAX ||
      this.#init.upstream.suspended.size >= SUSPENDED_MAX;
    if (isFull || !isDeclared(frame.method, this.#init.client)) {
      answer(undeclared(frame));
      return;
    }
    this.#questionCount += 1;
    this.#questions.push({ key: `request-${this.#questionCount}`, frame, answer });
    this.#cancelGathering?.();
    this.#cancelGathering = this.#init.upstream.clock.schedule(GATHER_MS, () => {
      this.#cancelGathering = undefined;
      this.#suspend();
    });
  }

  /** Tells the client what the server asks, and waits for its retry. */
  #suspend(): void {
    const call = this.#current;
    if (call === undefined || this.#questions.length === 0) return;
    const { upstream, owner } = this.#init;
    const handle = `${HANDLE}${randomBytes(32).toString('base64url')}`;
    upstream.suspended.set(handle, {
      owner,
      subject: subjectOf(call.request),
      resume: (next) => this.#resume(next),
    });
    this.#current = undefined;
    this.#cancelExpiry = upstream.clock.schedule(SUSPENDED_MS, () => {
      upstream.suspended.delete(handle);
      this.#cancel('the client did not come back');
    });
    const inputRequests = Object.fromEntries(
      this.#questions.map(({ key, frame }) => [
        key,
        { method: frame.method, params: frame.params },
      ]),
    );
    const result = { resultType: 'input_required', inputRequests, requestState: handle };
    call.response(responseOf(resultBytes(call.request.id, result)));
  }

  #resume(call: RelayedCall): ChannelCall {
    this.#cancelExpiry?.();
    this.#current = call;
    const responses = objectOf(call.request.params['inputResponses']);
    for (const question of this.#questions.splice(0)) {
      const response = responses[question.key];
      if (typeof response !== 'object' || response === null) this.#questions.push(question);
      else question.answer(resultBytes(question.frame.id, objectOf(response)));
    }
    if (this.#final !== undefined) this.#finish(this.#final);
    else if (this.#cancelGathering === undefined) this.#suspend();
    return this.#handle(call);
  }

  #finish(final: ResponseFrame | StarlingError): void {
    if (this.#over) return;
    const call = this.#current;
    // While the call is suspended, the answer waits for the retry.
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
    for (const { frame, answer } of this.#questions.splice(0)) {
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

/** Which thing a call is of: a retry must be of the same. */
function subjectOf(request: RequestFrame): string {
  const { name, uri } = request.params;
  return JSON.stringify([request.method, name ?? uri ?? '']);
}
