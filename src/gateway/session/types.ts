/** A session as its transport and its makers see it. */
import type { Clock, JsonObject, Logger, StarlingError } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Clearance } from '../clearance/clearance.ts';
import type { AskableClient } from './node-questions.ts';
import type { Router, ViewSpec } from '../catalog/types.ts';
import type { Frame, NotificationFrame, ServerChannels } from '../types.ts';

/** Where the answer to one request goes. `interim` any number of times, then one of the others. */
export interface Reply {
  interim(message: Buffer): void;
  /** {@link interim} for what must not be lost. */
  urgent(message: Buffer): void;
  final(message: Buffer): void;
  /** The caller has cancelled: there is no answer. */
  dropped(): void;
}

/** What a session works with. */
export interface SessionComponents {
  readonly principal: Principal;
  readonly router: Router;
  readonly channels: ServerChannels;
  readonly clearance: Clearance;
  /** Sends a message that answers no request. */
  push(message: Buffer): void;
  /** Says why one more request may not be taken now, if so. */
  admit?(): StarlingError | undefined;
  /** Hears `initialize`; `meta` goes into the result's `_meta`, and `spec` replaces the session's. */
  initializing?(params: JsonObject): { readonly meta: JsonObject; readonly spec: ViewSpec };
  /** Hears that the client can be asked things; gives what ends that, for when the session is over. */
  ready?(client: AskableClient): () => void;
  /** Hears notifications before anybody else; true when they are for it alone. */
  notification?(frame: NotificationFrame): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a session. */
export interface SessionInit {
  /** What approvals know the session by. */
  readonly id: string;
  readonly spec: ViewSpec;
  readonly callsMax: number;
  /** Longest time that a client may take to answer a question, ms. */
  readonly callTotalMs: number;
  /** This node's name, for messages. */
  readonly self: string;
}

/** One session. */
export interface Session {
  readonly principal: Principal;
  readonly inFlight: number;
  /** When the caller last sent something, ms since the epoch. */
  readonly activeAt: number;
  /**
   * Takes one message. `key` tells requests apart where ids of several clients may meet; it defaults to
   * the request's id. Never throws.
   */
  receive(frame: Frame, reply: Reply, key?: unknown): void;
  /** The definition of a tool that the caller sees, as it is listed. */
  toolOf(name: string): JsonObject | undefined;
  /** The caller has given up the request of `key`. */
  abandon(key: unknown, reason: string): void;
  /** Asks the guard again about every call under way; ends those that it now refuses. */
  rejudge(): void;
  /** Calls `listener` once, when nothing is under way any more; at once when nothing is. */
  whenIdle(listener: () => void): void;
  /** The session is over: cancels its calls and closes its channels. A second call is a no-op. */
  end(): void;
}
