/** What the node itself asks the client of a session, beside what servers ask it. */
import type { JsonObject } from '../../core/index.ts';
import { notificationBytes, parseFrame, requestBytes } from '../wire/frame.ts';
import type { ClientQuestions } from './client-questions.ts';
import type { ClientFacts, Frame, NotificationFrame, RequestFrame } from '../types.ts';

/** A client that the node can ask things. */
export interface AskableClient {
  /** Its session, as approvals know it. */
  readonly session: string;
  readonly client: ClientFacts;
  /**
   * Asks by a request of `method`. Undefined when there is no answer: it went away, or answered with an
   * error, or `signal` was aborted, which takes the question back.
   */
  ask(method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined>;
}

/** No channel has this name: they are called after a server. */
const OWN = 'starling:own';

/** Makes the part of a session that asks; `push` sends what answers no request. */
export function createNodeQuestions(
  questions: ClientQuestions,
  push: (message: Buffer) => void,
): AskableClient['ask'] {
  let nextId = 1;
  return (method, params, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve(undefined);
        return;
      }
      const id = nextId;
      nextId += 1;
      const takenBack = (): void => {
        questions.cancelled(OWN, cancelledOf(id), push);
        resolve(undefined);
      };
      signal.addEventListener('abort', takenBack, { once: true });
      const answer = (message: Buffer): void => {
        signal.removeEventListener('abort', takenBack);
        resolve(resultOf(parseFrame(message)));
      };
      questions.ask(OWN, requestOf(id, method, params), answer, push);
    });
}

function requestOf(id: number, method: string, params: JsonObject): RequestFrame {
  return { kind: 'request', bytes: requestBytes(id, method, params), id, method, params };
}

function cancelledOf(requestId: number): NotificationFrame {
  const [method, params] = ['notifications/cancelled', { requestId }] as const;
  return { kind: 'notification', bytes: notificationBytes(method, params), method, params };
}

function resultOf(frame: Frame): JsonObject | undefined {
  return frame.kind === 'response' ? frame.result : undefined;
}
