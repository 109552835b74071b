/**
 * The life of one request of a session, from when it begins until its caller has the answer: it is
 * cleared, sent on the channel to its server, sent to another server where that does no harm, and ends
 * once. Nothing but the call itself changes what is written here.
 */
import { performance } from 'node:perf_hooks';
import { StarlingError, messageOf } from '../../../core/index.ts';
import type { JsonObject } from '../../../core/index.ts';
import type { Principal } from '../../../guard/index.ts';
import type { CallTask } from '../../call-tasks/types.ts';
import type { Route } from '../../catalog/types.ts';
import type { ClearedCall } from '../../clearance/clearance.ts';
import { failureOf } from '../../clearance/refusal-errors.ts';
import { unknownMethod } from '../../wire/era.ts';
import type { Era } from '../../wire/era.ts';
import {
  errorBytes,
  errorOf,
  progressTokenOf,
  resultBytes,
  rewriteFrame,
} from '../../wire/frame.ts';
import type { Reply } from '../../wire/reply.ts';
import { taskMadeIn } from '../../wire/task-id.ts';
import { traceFields, traceOf } from './call-trace.ts';
import type { CallTrace } from './call-trace.ts';
import {
  codeOf,
  errorIn,
  isMissing,
  isOwnServer,
  mayTryNext,
  reportFailure,
  rewriteOrError,
} from './call-failures.ts';
import { outcomeOf } from './call-meter.ts';
import type { CallOutcome } from './call-meter.ts';
import { CallClearance } from './call-clearance.ts';
import type { CallComponents, CallHearer, CallInit, CallRequest } from './call-types.ts';
import { answerAbout, answerOfTask, carryTask, createLongCall } from '../tasks/call-as-task.ts';
import type { TaskedCall } from '../tasks/call-as-task.ts';
import { mayBecomeTask } from '../tasks/long-call.ts';
import type { LongCall } from '../tasks/long-call.ts';
import { editsOf } from '../request-target.ts';
import type { Listener, SubscriptionAttempt } from '../subscriptions.ts';
import type { ChannelCall, RelayedCall, ServerChannel } from '../../channel-types.ts';
import type { FrameId, NotificationFrame, RequestFrame, ResponseFrame } from '../../frame-types.ts';

const NO_OTHERS: readonly Route[] = [];
const NOT_ALLOWED = 'it is not allowed any more';

export type { Call };

/** Makes a call, which does nothing yet. */
export function createCall(
  components: CallComponents,
  init: CallInit,
  what: CallRequest,
  hearer: CallHearer,
): Call {
  return new Call(components, init, what, hearer);
}

/** A request under way. */
class Call {
  readonly request: RequestFrame;
  readonly era: Era;
  /** The caller's progress token. */
  readonly token: FrameId | undefined;
  readonly #components: CallComponents;
  readonly #init: CallInit;
  readonly #hearer: CallHearer;
  readonly #reply: Reply;
  /** Of a call that may become a task. */
  readonly #long: LongCall | undefined;
  #principal: Principal;
  /** When it began, and whether the last server that it was sent to is a peer's; counted where somebody wants to know. */
  readonly #beganAt: number;
  #isPeers = false;
  #isOver = false;
  /** The channel that the call is on, by its name in the table. */
  #server: string | undefined;
  #isSent = false;
  readonly #clearance: CallClearance;
  /** Is told when the call is over; there once the call may be made. */
  #cleared: ClearedCall | undefined;
  /** Made when something is done for the call that ends with it. */
  #life: AbortController | undefined;
  #onChannel: ChannelCall | undefined;
  #attempt: SubscriptionAttempt | undefined;
  #listener: Listener | undefined;
  /** Of a call whose caller wants to know what it takes where, or whose span is collected. */
  readonly #trace: CallTrace | undefined;

  constructor(components: CallComponents, init: CallInit, what: CallRequest, hearer: CallHearer) {
    this.#components = components;
    this.#init = init;
    this.request = what.request;
    this.#reply = what.reply;
    this.era = what.era;
    this.#principal = what.principal;
    this.token = progressTokenOf(what.request);
    this.#hearer = hearer;
    this.#clearance = new CallClearance(components, init, this);
    const { self } = init;
    const { principal } = what;
    this.#long = mayBecomeTask(what.request) ? this.#createLong(what) : undefined;
    const { tracer } = components;
    // Who wants no progress asks for no steps, and is traced only where somebody collects.
    const isTraced = this.token !== undefined || tracer !== undefined;
    this.#trace = isTraced ? traceOf(this, { self, principal, tracer }) : undefined;
    this.#beganAt = components.meter === undefined ? 0 : performance.now();
  }

  /** Where what is said of the call goes. */
  get reply(): Reply {
    return this.#long?.reply ?? this.#reply;
  }

  /** The server that the call is made to, by the name of its channel; undefined before that is known. */
  get server(): string | undefined {
    return this.#server;
  }

  /** False before that server has the call, as while a person is asked: the server works for nobody by it then. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** By whose rights it is made. */
  get principal(): Principal {
    return this.#principal;
  }

  /** What it is of, as grants name it; undefined before that is known. */
  get resource(): string | undefined {
    return this.#clearance.wanted?.resource;
  }

  /** What it waits for, where a task tells of that. */
  says(message: string): void {
    this.#long?.says(message);
  }

  /** Aborted once the call is over, however it ends. */
  underWay(): AbortSignal {
    this.#life ??= new AbortController();
    if (this.#isOver) this.#life.abort();
    return this.#life.signal;
  }

  /** A `subscriptions/listen`, which stays until its caller ends it. */
  get isListener(): boolean {
    return this.#listener !== undefined;
  }

  /** Sends the request the first way; the next ones follow while nobody knows the resource. */
  relay(routes: readonly Route[]): void {
    const [route] = routes;
    const others = routes.length > 1 ? routes.slice(1) : NO_OTHERS;
    if (route === undefined) return this.fail(unknownMethod(this.request.method));
    const wanted = this.#clearance.choose(route);
    this.#isPeers = route.target.peer !== undefined;
    this.#trace?.toward(route);
    this.#server = this.#components.channels.nameOf(route.target);
    this.#isSent = false;
    this.#cleared = undefined;
    const { target } = route;
    // Tools of this node say themselves what is a task.
    if (!isOwnServer(target)) this.#long?.begins({ target, wanted });
    try {
      const cleared = this.#clearance.clear(route);
      if (!(cleared instanceof Promise)) this.#dispatch(cleared, route, others);
      else {
        cleared.then(
          (call) => this.#dispatch(call, route, others),
          (error: unknown) => this.fail(error),
        );
      }
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }

  /** Answers a request about a task of the caller. */
  about(task: CallTask): void {
    answerAbout(this.#components, this.#tasked(), task);
  }

  /** Answers with the result of one of the tools that search has. */
  answerWith(result: Promise<JsonObject>): void {
    const kind = this.era === 'modern' ? { resultType: 'complete' } : {};
    result.then(
      (found) => {
        if (this.#end('ok')) this.reply.final(resultBytes(this.request.id, { ...kind, ...found }));
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Opens a `subscriptions/listen`. @throws STARLING_LIMIT_EXCEEDED */
  listen(): Listener {
    this.#listener = this.#components.subscriptions.listen(this.request, this.reply);
    return this.#listener;
  }

  /** The caller has given the request up; one that is a task goes on. */
  abandon(reason: string): void {
    if (this.#long?.task === undefined) this.#giveUp(reason);
  }

  #giveUp(reason: string): void {
    if (!this.#end('cancelled')) return;
    this.#stop(reason, reason);
    this.reply.dropped();
  }

  /** The caller's session is over. A listener gets the answer that ends it, other calls an error; a task goes on. */
  endWithSession(error: StarlingError): void {
    if (this.#long?.task !== undefined) return;
    if (!this.#end('cancelled')) return;
    if (this.#listener !== undefined) {
      this.#components.subscriptions.close(this.#listener, true);
      return;
    }
    this.#stop('caller is gone', 'caller is gone');
    this.reply.final(errorBytes(this.request.id, errorOf(error)));
  }

  /** The same caller under another name: by that name the guard is asked from now on. */
  rename(principal: Principal): void {
    this.#principal = principal;
  }

  /** Asks the guard again, because grants or the policy have changed; ends the call when it refuses. */
  recheck(): void {
    const refusal = this.#clearance.refusal();
    if (refusal === undefined || !this.#end('refused', refusal.code)) return;
    this.#clearance.abandon(NOT_ALLOWED);
    this.#stop(NOT_ALLOWED, refusal.message);
    this.reply.final(errorBytes(this.request.id, errorOf(refusal)));
  }

  /** Ends the call with `error`, which its caller is told. A no-op when the call is over. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#cleared?.over('failed', messageOf(error));
    this.#end(outcomeOf(error), codeOf(error));
    this.#closeListener();
    reportFailure(this.#components.logger, error, traceFields(this.#trace, this.request));
    this.#trace?.over();
    this.reply.final(errorBytes(this.request.id, errorOf(error)));
  }

  /** Takes note of what a `resources/subscribe` is about before its server can tell of a change. */
  #subscribing(route: Route): void {
    const { method, params } = this.request;
    const { subscriptions, channels } = this.#components;
    const { uri } = params;
    if (typeof uri !== 'string') return;
    if (method === 'resources/unsubscribe') subscriptions.remove(uri);
    if (method !== 'resources/subscribe') return;
    this.#attempt?.failed();
    this.#attempt = undefined;
    const server = channels.nameOf(route.target);
    this.#attempt = subscriptions.begin(uri, server, route.edits?.uri ?? uri);
  }

  #createLong(what: CallRequest): LongCall {
    return createLongCall(this.#components, what, {
      recheck: () => this.recheck(),
      giveUp: (reason) => this.#giveUp(reason),
      drop: (error) => {
        if (this.#end('cancelled')) this.#stop(error.message, error.message);
      },
      again: (route, next) => this.#sendAgain(route, next),
      fail: (error) => this.fail(error),
      becameTask: () => this.#hearer.becameTask(),
    });
  }

  /** The call, as far as a task may come of it. */
  #tasked(): TaskedCall {
    return {
      request: this.request,
      era: this.era,
      principal: this.#principal,
      wanted: this.#clearance.wanted,
      task: this.#long?.task,
      relay: (routes) => this.relay(routes),
      ended: () => {
        const isFirst = this.#end('ok');
        if (isFirst) this.#cleared?.over('ok');
        return isFirst;
      },
      answered: (frame) => this.#answered(frame),
      answeredWith: (message) => {
        if (this.#end('ok')) this.reply.final(message);
      },
      fail: (error) => this.fail(error),
    };
  }

  /** With the answers to what the server has asked, of a call that is a task. */
  #sendAgain(route: Route, request: RequestFrame): void {
    const sent = async (): Promise<void> =>
      this.#send(route, [], await this.#components.channels.get(route.target), request);
    sent().catch((error: unknown) => this.fail(error));
  }

  #dispatch(cleared: ClearedCall | undefined, route: Route, others: readonly Route[]): void {
    if (this.#isOver) {
      // The caller has cancelled meanwhile: what was cleared has an end in the record too.
      cleared?.over('cancelled');
      return;
    }
    this.#cleared = cleared;
    this.#trace?.cleared();
    const failed = (error: unknown): void => this.#failed(error, others);
    try {
      this.#subscribing(route);
      const channel = this.#components.channels.get(route.target);
      if (channel instanceof Promise) {
        channel.then((opened) => this.#send(route, others, opened), failed);
      } else this.#send(route, others, channel);
    } catch (error) {
      failed(error);
    }
  }

  #send(
    route: Route,
    others: readonly Route[],
    channel: ServerChannel,
    request = this.request,
  ): void {
    // The caller may have cancelled, or the session ended, while the channel was opened.
    if (this.#isOver) return;
    this.#long?.sent(route, request);
    const relayed: RelayedCall = {
      request,
      principal: this.#principal,
      session: this.#init.id,
      edits: this.#edits(route),
      response: (frame) => this.#responded(route, others, frame),
      progress: (frame) => this.#progress(frame),
      notification: (frame) => this.reply.interim(frame.bytes),
      failed: (error) => this.#failed(error, others),
    };
    this.#trace?.sent();
    this.#isSent = true;
    try {
      this.#onChannel = this.#components.sampling.relay(this, route.target, channel, relayed);
    } catch (error) {
      this.#failed(error, others);
    }
  }

  /** What is changed on the way: names, and the trace where this node is a part of that. */
  #edits(route: Route): NonNullable<RelayedCall['edits']> {
    const edits = editsOf(this.request, route);
    const traceparent = this.#trace?.traceparent;
    return traceparent === undefined ? edits : Object.assign({}, edits, { traceparent });
  }

  #responded(route: Route, others: readonly Route[], frame: ResponseFrame): void {
    if (this.#isOver || this.#long?.isAsked(frame) === true) return undefined;
    const { error } = frame;
    if (error !== undefined && isMissing(error.data)) route.missing?.();
    if (error !== undefined && mayTryNext(this.request, error, others[0])) {
      this.#cleared?.over('failed', failureOf(frame));
      this.relay(others);
      return;
    }
    const { task } = route;
    if (task !== undefined) return this.#answered(answerOfTask(this.request, task, frame));
    const made = isOwnServer(route.target) ? undefined : taskMadeIn(this.request, frame.result);
    if (made === undefined) return this.#answered(frame);
    return carryTask(this.#components, this.#tasked(), { frame, made, route });
  }

  #answered(frame: ResponseFrame): void {
    if (this.#isOver) return;
    const { error } = frame;
    if (error === undefined) this.#attempt?.made();
    const outcome = error === undefined ? 'ok' : 'failed';
    this.#end(outcome, errorIn(frame));
    this.#cleared?.over(outcome, failureOf(frame));
    this.#trace?.over();
    const { reply } = this;
    // The members of a result of this node's own are made by who asks for them.
    if (reply.finalResult !== undefined && frame.isOwn === true && frame.result !== undefined) {
      reply.finalResult(frame.result);
    } else reply.final(rewriteOrError(frame, this.request.id));
  }

  #progress(frame: NotificationFrame): void {
    if (this.token === undefined || this.#isOver) return;
    let message: Buffer;
    try {
      message = rewriteFrame(frame, { progressToken: this.token });
    } catch (error) {
      const fields = traceFields(this.#trace, this.request);
      const { logger } = this.#components;
      logger.debug({ ...fields, error: messageOf(error) }, 'malformed progress dropped');
      return;
    }
    this.reply.interim(message);
  }

  /** Tells the caller, unless another server may be tried. */
  #failed(error: unknown, others: readonly Route[]): void {
    const isAway = error instanceof StarlingError && error.row.retryable;
    if (!isAway || others[0]?.mayRepeat !== true) return this.fail(error);
    if (this.#isOver) return undefined;
    this.#cleared?.over('failed', messageOf(error));
    return this.relay(others);
  }

  /** False when the call was over already. `error` is a code. */
  #end(outcome: CallOutcome, error?: string): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#life?.abort();
    this.#trace?.ended(outcome, error);
    const { logger, meter } = this.#components;
    if (error !== undefined) {
      const { method } = this.request;
      logger.debug(
        { ...traceFields(this.#trace, this.request), method, code: error },
        'call failed',
      );
    }
    // A listener is there for as long as its caller likes.
    if (meter !== undefined && this.#listener === undefined) {
      meter.ended(this.request.method, this.#isPeers, outcome, performance.now() - this.#beganAt);
    }
    this.#attempt?.failed();
    this.#long?.over();
    this.#hearer.ended();
    return true;
  }

  /** `why` is for the record here, `reason` for whoever else hears that the call is cancelled. */
  #stop(reason: string, why: string): void {
    this.#onChannel?.cancel(reason);
    this.#clearance.abandon();
    this.#cleared?.over('cancelled', why);
    this.#closeListener();
  }

  #closeListener(): void {
    if (this.#listener === undefined) return;
    const { subscriptions, subscriber } = this.#components;
    subscriber.unsubscribe(subscriptions.close(this.#listener, false));
  }
}
