/** Where the answer to one request goes, and who takes messages. */
import type { JsonObject } from '../../core/index.ts';
import type { Frame } from '../frame-types.ts';

/** The way back to who sent one request: `interim` and `urgent` any number of times, then one of the others. */
export interface Reply {
  /** A message about the request, which is left out while the caller reads too slowly. */
  interim(message: Buffer): void;
  /** {@link Reply.interim} for a message that must not be left out. */
  urgent(message: Buffer): void;
  /** The answer. */
  final(message: Buffer): void;
  /** {@link Reply.final} for who is in this process, and reads an answer of this node's own without its text. */
  finalResult?(result: JsonObject): void;
  /** The caller has cancelled, so there is no answer. */
  dropped(): void;
}

/** Takes messages one by one: a session, or what stands before one. */
export interface Receiver {
  /**
   * Takes one message. `key` tells requests apart where ids of several clients may meet; the default is
   * the request's id. Never throws.
   */
  receive(frame: Frame, reply: Reply, key?: unknown): void;
  /** Whoever sent the request of `key` has given it up; a no-op when it is over. */
  abandon?(key: unknown, reason: string): void;
}

/** For messages that nobody waits for an answer to. */
export const NO_REPLY: Reply = {
  interim: () => undefined,
  urgent: () => undefined,
  final: () => undefined,
  dropped: () => undefined,
};
