/** Answers to what the other end of a channel has asked: each goes out, if not at once then when there is room. */
import { messageOf } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';

/** Answers that wait for room, and how often room is looked for. */
const UNSENT_MAX = 100;
const RESEND_MS = 100;

/** What answers go out by. */
export interface AnswerQueueComponents {
  /** Sends one message. @throws when it can't be queued */
  send(message: Buffer): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Answers on their way, in their order. */
export interface AnswerQueue {
  /** Sends an answer, or keeps the answer until there is room: who asked waits for it. Beyond 100 it is dropped. */
  send(message: Buffer): void;
  /** Drops what waits. */
  stop(): void;
}

/** Makes the queue of one channel. */
export function createAnswerQueue(components: AnswerQueueComponents): AnswerQueue {
  return new UnsentAnswers(components);
}

class UnsentAnswers implements AnswerQueue {
  readonly #components: AnswerQueueComponents;
  readonly #unsent: Buffer[] = [];
  #cancelResend: (() => void) | undefined;

  constructor(components: AnswerQueueComponents) {
    this.#components = components;
  }

  send(message: Buffer): void {
    if (this.#unsent.length === 0) {
      try {
        this.#components.send(message);
        return;
      } catch (error) {
        this.#components.logger.debug({ error: messageOf(error) }, 'answer not sent yet');
      }
    }
    if (this.#unsent.length >= UNSENT_MAX) return;
    this.#unsent.push(message);
    this.#cancelResend ??= this.#components.clock.schedule(RESEND_MS, () => this.#resend());
  }

  stop(): void {
    this.#cancelResend?.();
    this.#unsent.length = 0;
  }

  #resend(): void {
    this.#cancelResend = undefined;
    const waiting = this.#unsent.splice(0);
    for (const message of waiting) this.send(message);
  }
}
