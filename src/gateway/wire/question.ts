/** Asks a client by a request that the node itself makes, and takes the question back when it is not needed. */
import type { JsonObject } from '../../core/index.ts';
import { notificationBytes, parseFrame, requestBytes } from './frame.ts';
import type { Answer } from '../channel-types.ts';
import type { NotificationFrame, RequestFrame } from '../frame-types.ts';

/** What this node itself asks a client, and when nobody waits for the answer any more. */
export interface OwnQuestion {
  /** Unique among those that are asked by the same way. */
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject;
  /** Aborted when nobody needs the answer any more. */
  readonly signal: AbortSignal;
}

/** The way to the client. */
export interface QuestionWay {
  ask(frame: RequestFrame, answer: Answer): void;
  /** Sends a `notifications/cancelled`. */
  takeBack(frame: NotificationFrame): void;
}

/**
 * The result that the client answers with. Undefined when the answer is an error, and when `signal` is
 * aborted, which takes the question back.
 */
export function askQuestion(
  { id, method, params, signal }: OwnQuestion,
  way: QuestionWay,
): Promise<JsonObject | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(undefined);
      return;
    }
    const takeBack = (): void => {
      way.takeBack(cancelled(id));
      resolve(undefined);
    };
    signal.addEventListener('abort', takeBack, { once: true });
    const answer = (message: Buffer): void => {
      signal.removeEventListener('abort', takeBack);
      const frame = parseFrame(message);
      resolve(frame.kind === 'response' ? frame.result : undefined);
    };
    const bytes = requestBytes(id, method, params);
    way.ask({ kind: 'request', bytes, id, method, params }, answer);
  });
}

function cancelled(requestId: number): NotificationFrame {
  const [method, params] = ['notifications/cancelled', { requestId }] as const;
  return { kind: 'notification', bytes: notificationBytes(method, params), method, params };
}
