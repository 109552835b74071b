/**
 * What servers ask the client of one session: sampling, elicitation, roots. Each question gets an id of
 * the session's own, so that two servers that chose the same one never meet.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { metaOf } from '../wire/era.ts';
import { errorBytes, errorOf, notificationBytes, rewriteFrame } from '../wire/frame.ts';
import type { Answer, FrameId, NotificationFrame, RequestFrame, ResponseFrame } from '../types.ts';

/** ClientQuestions that may wait for one client. */
const QUESTIONS_MAX = 256;

/** Asks, and takes the answers. */
export interface ClientQuestions {
  /** Sends `frame` to the client by `send`; `server` tells whose it is. */
  ask(server: string, frame: RequestFrame, answer: Answer, send: (message: Buffer) => void): void;
  /** The client's answer. False when it answers nothing of ours. */
  answered(frame: ResponseFrame): boolean;
  /** The client's progress on a question: who asked, and the token that it knows. */
  progressOf(frame: NotificationFrame): { server: string; token: FrameId } | undefined;
  /** The server takes a question back. */
  cancelled(server: string, frame: NotificationFrame, push: (message: Buffer) => void): void;
  /** Answers all that wait: the client, or the server that asks, is gone. */
  end(server?: string): void;
}

interface Question {
  readonly server: string;
  readonly frame: RequestFrame;
  readonly answer: Answer;
  readonly stopTimer: () => void;
}

/** Makes the questions of a session; one that is not answered within `timeoutMs` fails. */
export function createClientQuestions(
  components: { readonly clock: Clock; readonly logger: Logger },
  init: { readonly timeoutMs: number },
): ClientQuestions {
  const open = new Map<FrameId, Question>();
  let nextId = 1;

  const take = (id: FrameId | null): Question | undefined => {
    const question = id === null ? undefined : open.get(id);
    if (question === undefined || id === null) return undefined;
    open.delete(id);
    question.stopTimer();
    return question;
  };
  const refuse = ({ answer, frame }: Question, error: StarlingError): void =>
    answer(errorBytes(frame.id, errorOf(error)));

  return {
    ask(server, frame, answer, send) {
      const id = nextId;
      nextId += 1;
      const late = (): void => {
        const question = take(id);
        if (question === undefined) return;
        send(notificationBytes('notifications/cancelled', { requestId: id, reason: 'timeout' }));
        const text = `the client did not answer ${frame.method} within ${init.timeoutMs / 1000} s`;
        refuse(question, new StarlingError('STARLING_TIMEOUT', text));
      };
      const stopTimer = components.clock.schedule(init.timeoutMs, late);
      const question = { server, frame, answer, stopTimer };
      if (open.size >= QUESTIONS_MAX) {
        stopTimer();
        const text = `${QUESTIONS_MAX} questions wait for this client already`;
        refuse(question, new StarlingError('STARLING_LIMIT_EXCEEDED', text));
        return;
      }
      open.set(id, question);
      try {
        const token = metaOf(frame.params)['progressToken'];
        send(rewriteFrame(frame, { id, ...(token === undefined ? {} : { progressToken: id }) }));
      } catch (error) {
        take(id);
        components.logger.debug({ error: messageOf(error) }, 'malformed question');
        answer(errorBytes(frame.id, errorOf(error)));
      }
    },
    answered(frame) {
      const question = take(frame.id);
      if (question === undefined) return false;
      try {
        question.answer(rewriteFrame(frame, { id: question.frame.id }));
      } catch (error) {
        question.answer(errorBytes(question.frame.id, errorOf(error)));
      }
      return true;
    },
    progressOf(frame) {
      const id = frame.params['progressToken'];
      const question = typeof id === 'number' ? open.get(id) : undefined;
      const token =
        question === undefined ? undefined : metaOf(question.frame.params)['progressToken'];
      if (question === undefined) return undefined;
      return typeof token === 'string' || typeof token === 'number'
        ? { server: question.server, token }
        : undefined;
    },
    cancelled(server, frame, push) {
      const { requestId, reason } = frame.params;
      for (const [id, question] of open) {
        if (question.server !== server || question.frame.id !== requestId) continue;
        take(id);
        push(
          notificationBytes('notifications/cancelled', {
            requestId: id,
            ...(typeof reason === 'string' ? { reason } : {}),
          }),
        );
      }
    },
    end(server) {
      for (const [id, question] of open) {
        if (server !== undefined && question.server !== server) continue;
        take(id);
        refuse(question, new StarlingError('STARLING_STOPPED', 'the client is gone'));
      }
    },
  };
}
