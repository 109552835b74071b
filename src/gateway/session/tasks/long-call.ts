/**
 * A call of a client that declares tasks and that has no answer soon: from then on it is a task of this node (SEP-2663). The
 * client gets the task in place of the result; what comes of the call is kept, whether or not the client is still there.
 */
import { StarlingError, messageOf } from '../../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../../core/index.ts';
import { chainOf } from '../../../guard/index.ts';
import type { Principal } from '../../../guard/index.ts';
import { PEER_TASK_AFTER_MS, TASK_AFTER_MS } from '../../call-tasks/limits.ts';
import type { CallTasks, OpenCall, OpenTask } from '../../call-tasks/types.ts';
import type { Route } from '../../catalog/types.ts';
import { declaresTasks, objectOf } from '../../wire/era.ts';
import { parseFrame, resultBytes, spansOf } from '../../wire/frame.ts';
import type { Reply } from '../../wire/reply.ts';
import type { RequestFrame, ResponseFrame } from '../../frame-types.ts';
import { retryOf } from '../input-retry.ts';

/** How often a call that is a task may ask for more. */
const ROUNDS_MAX = 16;

/** What makes tasks of long calls. */
export interface LongCallComponents {
  readonly callTasks: CallTasks;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A call that may become a task. */
export interface LongCallInit {
  readonly request: RequestFrame;
  /** The client's way back. */
  readonly reply: Reply;
  readonly principal: Principal;
  readonly call: Omit<OpenCall, 'answer'>;
  /** Sends it once more, with the answers to what its server has asked. */
  readonly again: (route: Route, request: RequestFrame) => void;
  readonly failed: (error: StarlingError) => void;
  /** Hears that the client has its answer: the call is a task from now on. */
  readonly became: () => void;
}

/** How this node calls whoever made a call of a task: by all links of the chain. */
export function taskOwner(principal: Principal): string {
  return chainOf(principal).join('\n');
}

/** Whether a call may become a task: its client can deal with that. */
export function mayBecomeTask(request: RequestFrame): boolean {
  return request.method === 'tools/call' && declaresTasks(request);
}

/** See the file. */
export class LongCall {
  readonly #components: LongCallComponents;
  readonly #init: LongCallInit;
  #cancelTimer: (() => void) | undefined;
  #task: OpenTask | undefined;
  #isOver = false;
  /** What was said of the call last. */
  #said: string | undefined;
  /** The way that it was sent last, and as what. */
  #sent: { readonly route: Route; readonly request: RequestFrame } | undefined;
  /** What its server wants to know before it goes on; how often that was so. */
  #asked: ResponseFrame | undefined;
  #rounds = 0;

  constructor(components: LongCallComponents, init: LongCallInit) {
    this.#components = components;
    this.#init = init;
  }

  /** The task, once the client has it. */
  get task(): OpenTask | undefined {
    return this.#task;
  }

  /** Where what is said of the call goes: to the client, or to the task. */
  get reply(): Reply {
    return this.#task === undefined ? this.#init.reply : this.#taskReply(this.#task);
  }

  /** The call is on its way: from now on it has so long to be answered. */
  begins({ target, wanted }: Pick<Route, 'target' | 'wanted'>): void {
    const { clock } = this.#components;
    const afterMs = target.peer === undefined ? TASK_AFTER_MS : PEER_TASK_AFTER_MS;
    this.#cancelTimer ??= clock.schedule(afterMs, () => {
      this.#become(wanted).catch((error: unknown) => {
        // The client waits for the result then, as any other does.
        const { logger } = this.#components;
        logger.warn({ error: messageOf(error) }, 'a long call could not be made a task');
      });
    });
  }

  /** Says what the call waits for. */
  says(message: string): void {
    this.#said = message;
    this.#task?.progressed(message);
  }

  sent(route: Route, request: RequestFrame): void {
    this.#sent = { route, request };
  }

  /** Keeps what the server asks until the caller answers. True where the call is a task, and so waits. */
  isAsked(frame: ResponseFrame): boolean {
    if (this.#task === undefined) return false;
    const { result } = frame;
    if (result?.['resultType'] !== 'input_required') return false;
    this.#rounds += 1;
    this.#asked = frame;
    if (this.#rounds > ROUNDS_MAX) this.#init.failed(asksTooMuch());
    else this.#task.asks(objectOf(result['inputRequests']));
    return true;
  }

  /** The call is over, however it ended. */
  over(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
  }

  #answer(responses: JsonObject): void {
    const asked = this.#asked;
    if (asked === undefined || this.#sent === undefined || this.#isOver) return;
    this.#asked = undefined;
    const { request, route } = this.#sent;
    this.#init.again(route, retryOf(request, asked, responses));
  }

  async #become(wanted: Route['wanted']): Promise<void> {
    const { became, call, principal, reply, request } = this.#init;
    const owner = taskOwner(principal);
    const open = { ...call, answer: (responses: JsonObject) => this.#answer(responses) };
    const task = await this.#components.callTasks.open({ owner, wanted }, open);
    if (task === undefined) return;
    // The client has had the result meanwhile.
    if (this.#isOver) return task.forget();
    this.#task = task;
    if (this.#said !== undefined) task.progressed(this.#said);
    became();
    reply.final(resultBytes(request.id, task.created));
  }

  #taskReply(task: OpenTask): Reply {
    return {
      interim: (message) => progressIn(message, task),
      urgent: () => undefined,
      final: (message) => endIn(message, task),
      dropped: () => task.cancelled(),
    };
  }
}

/** What is told of the call on the way goes into the status of the task. */
function progressIn(message: Buffer, task: OpenTask): void {
  const frame = parseFrame(message);
  if (frame.kind !== 'notification' || frame.method !== 'notifications/progress') return;
  const { message: text } = frame.params;
  if (typeof text === 'string') task.progressed(text);
}

function endIn(message: Buffer, task: OpenTask): void {
  const frame = parseFrame(message);
  if (frame.kind !== 'response') return;
  const { error, result } = frame;
  if (error !== undefined) {
    const { code, data, message: text } = error;
    return task.ended({ error: { code, message: text, ...(data === undefined ? {} : { data }) } });
  }
  const place = spansOf(frame).result;
  const text =
    place === undefined
      ? JSON.stringify(result ?? {})
      : frame.bytes.toString('utf8', place.start, place.end);
  return task.ended({ result: text });
}

function asksTooMuch(): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `the server asked for input ${ROUNDS_MAX} times without an answer to the call`,
  );
}
