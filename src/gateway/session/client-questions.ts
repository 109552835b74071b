/**
 * What the client of one session is asked: sampling, elicitation and roots by servers, forms by the node
 * itself. Each question gets an id of the session's own, so that two servers that chose the same id
 * never meet.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { metaOf } from '../wire/era.ts';
import { keyOfId, ownIdOf } from '../wire/frame-id.ts';
import {
  cancelledBy,
  errorBytes,
  errorOf,
  notificationBytes,
  rewriteFrame,
} from '../wire/frame.ts';
import { askQuestion } from '../wire/question.ts';
import type { Answer } from '../channel-types.ts';
import type { NotificationFrame, RequestFrame, ResponseFrame } from '../frame-types.ts';

/** Questions that may wait for one client. */
const QUESTIONS_MAX = 256;
/** Who asks where the node itself does: no channel has this name, since channels are named after servers. */
const NODE = 'starling:own';

/** Asks, and takes the answers. */
export interface ClientQuestions {
  /** Sends `frame` to the client by `send`; `server` tells whose question it is. */
  ask(server: string, frame: RequestFrame, answer: Answer, send: (message: Buffer) => void): void;
  /**
   * Asks for the node itself. Undefined when there is no answer: the client went away, or answered with
   * an error, or `signal` was aborted, which takes the question back.
   */
  askForNode(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined>;
  /** The client's answer. False when it answers no question of ours. */
  answered(frame: ResponseFrame): boolean;
  /** The client's progress on a question: who asked, and the token that the asking server knows. */
  progressOf(frame: NotificationFrame): { server: string; token: string | number } | undefined;
  /** The server takes a question back. */
  cancelled(server: string, frame: NotificationFrame): void;
  /** Answers all that wait, because the client is gone. */
  end(): void;
}

/** What questions are asked with. */
export interface ClientQuestionsComponents {
  /** Sends what answers no request. */
  push(message: Buffer): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Question {
  readonly server: string;
  readonly frame: RequestFrame;
  readonly answer: Answer;
  readonly stopTimer: () => void;
}

/** Makes the questions of a session; one that is not answered within `timeoutMs` fails. */
export function createClientQuestions(
  components: ClientQuestionsComponents,
  init: { readonly timeoutMs: number },
): ClientQuestions {
  return new SessionQuestions(components, init.timeoutMs);
}

class SessionQuestions implements ClientQuestions {
  readonly #components: ClientQuestionsComponents;
  readonly #timeoutMs: number;
  readonly #open = new Map<number, Question>();
  #nextId = 1;
  #nextOwnId = 1;

  constructor(components: ClientQuestionsComponents, timeoutMs: number) {
    this.#components = components;
    this.#timeoutMs = timeoutMs;
  }

  ask(server: string, frame: RequestFrame, answer: Answer, send: (message: Buffer) => void): void {
    if (this.#open.size >= QUESTIONS_MAX) {
      const text = `${QUESTIONS_MAX} questions wait for this client already`;
      fail({ answer, frame }, new StarlingError('STARLING_LIMIT_EXCEEDED', text));
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    let message: Buffer;
    try {
      const token = metaOf(frame.params)['progressToken'];
      message = rewriteFrame(frame, { id, ...(token === undefined ? {} : { progressToken: id }) });
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'malformed question');
      fail({ answer, frame }, error);
      return;
    }
    const stopTimer = this.#components.clock.schedule(this.#timeoutMs, () => this.#late(id, send));
    this.#open.set(id, { server, frame, answer, stopTimer });
    send(message);
  }

  askForNode(
    method: string,
    params: JsonObject,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> {
    const id = this.#nextOwnId;
    this.#nextOwnId += 1;
    return askQuestion(
      { id, method, params, signal },
      {
        ask: (frame, answer) =>
          this.ask(NODE, frame, answer, (message) => this.#components.push(message)),
        takeBack: (frame) => this.cancelled(NODE, frame),
      },
    );
  }

  answered(frame: ResponseFrame): boolean {
    const id = ownIdOf(frame.id);
    const question = id === undefined ? undefined : this.#take(id);
    if (question === undefined) return false;
    if (frame.odd !== undefined) {
      const text = `the client's answer to ${question.frame.method} can't be read: ${frame.odd}`;
      fail(question, new StarlingError('STARLING_PROTOCOL_VIOLATION', text));
      return true;
    }
    try {
      question.answer(rewriteFrame(frame, { id: question.frame.id }));
    } catch (error) {
      fail(question, error);
    }
    return true;
  }

  progressOf(frame: NotificationFrame): { server: string; token: string | number } | undefined {
    const id = frame.params['progressToken'];
    const question = typeof id === 'number' ? this.#open.get(id) : undefined;
    if (question === undefined) return undefined;
    const token = metaOf(question.frame.params)['progressToken'];
    return typeof token === 'string' || typeof token === 'number'
      ? { server: question.server, token }
      : undefined;
  }

  cancelled(server: string, frame: NotificationFrame): void {
    const { reason } = frame.params;
    const wanted = cancelledBy(frame);
    for (const [id, question] of this.#open) {
      if (question.server !== server || keyOfId(question.frame.id) !== wanted) continue;
      this.#take(id);
      this.#components.push(
        notificationBytes('notifications/cancelled', {
          requestId: id,
          ...(typeof reason === 'string' ? { reason } : {}),
        }),
      );
    }
  }

  end(): void {
    for (const id of this.#open.keys()) {
      const question = this.#take(id);
      if (question === undefined) continue;
      fail(question, new StarlingError('STARLING_STOPPED', 'the client is gone'));
    }
  }

  #late(id: number, send: (message: Buffer) => void): void {
    const question = this.#take(id);
    if (question === undefined) return;
    send(notificationBytes('notifications/cancelled', { requestId: id, reason: 'timeout' }));
    const { method } = question.frame;
    const text = `the client did not answer ${method} within ${this.#timeoutMs / 1000} s`;
    fail(question, new StarlingError('STARLING_TIMEOUT', text));
  }

  #take(id: number): Question | undefined {
    const question = this.#open.get(id);
    if (question === undefined) return undefined;
    this.#open.delete(id);
    question.stopTimer();
    return question;
  }
}

function fail({ answer, frame }: Pick<Question, 'answer' | 'frame'>, error: unknown): void {
  answer(errorBytes(frame.id, errorOf(error)));
}
