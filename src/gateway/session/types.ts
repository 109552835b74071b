/** A session as its transport and its makers see it. */
import type { CallMeter } from './call/call-meter.ts';
import type { CallTracer } from './call/call-span.ts';
import type { Clock, JsonObject, Logger, StarlingError } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { CallTasks } from '../call-tasks/types.ts';
import type { Clearance } from '../clearance/clearance.ts';
import type { Views, SearchMode, ViewSpec } from '../catalog/types.ts';
import type { Receiver } from '../wire/reply.ts';
import type { AskableClient, ServerChannels } from '../channel-types.ts';
import type { NotificationFrame } from '../frame-types.ts';
import type { SamplingFace, ToolOrigin } from '../inner-types.ts';

/** What a peer's `initialize` decides about its session. */
export interface Initializing {
  /** Goes into the `_meta` of the result. */
  readonly meta: JsonObject;
  /** Takes the place of the session's own. */
  readonly spec: ViewSpec;
  /** Takes the place of the session's own. */
  readonly principal: Principal;
}

/** How often one caller may have lists made for it, over all its sessions. */
export interface ListAllowance {
  /** Says why no list is made now, if so. */
  refusal(): StarlingError | undefined;
  /** A list was made, for which so many things were looked at. */
  made(things: number): void;
}

/** What a session works with. */
export interface SessionComponents {
  readonly principal: Principal;
  readonly views: Views;
  readonly channels: ServerChannels;
  readonly clearance: Clearance;
  /** Answers where three tools stand for the whole list. */
  readonly search: SearchMode;
  /** Calls that are tasks, of all sessions. */
  readonly callTasks: CallTasks;
  /** Answers servers in place of a client that has no model; absent: nobody does. */
  readonly sampling?: SamplingFace;
  /** Counts calls; absent: nobody wants to know. */
  readonly meter?: CallMeter;
  /** Keeps the spans of calls; absent: nobody collects them. */
  readonly tracer?: CallTracer;
  /** Sends a message that answers no request. */
  push(message: Buffer): void;
  /** Says why one more request may not be taken now, if so. */
  admit?(): StarlingError | undefined;
  /** How often the caller may have lists made; absent where nothing bounds that. */
  readonly lists?: ListAllowance;
  /** Hears the parameters of `initialize` before anything is decided in the session. */
  initializing?(params: JsonObject): Initializing;
  /** Hears that the client can be asked things; gives what to call when the session is over. */
  ready?(client: AskableClient): () => void;
  /** Hears notifications before anybody else; true when they are for it alone. */
  notification?(frame: NotificationFrame): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a session. */
export interface SessionInit {
  /** The session's name for approvals. */
  readonly id: string;
  readonly spec: ViewSpec;
  readonly callsMax: number;
  /** Longest time that a client may take to answer a question, ms. */
  readonly callTotalMs: number;
  /** This node's name, for messages. */
  readonly self: string;
}

/** What one caller does here, from `initialize` (or its first request) to its end. */
export interface Session extends Receiver {
  /** By whose rights the guard decides about the next request. */
  readonly principal: Principal;
  /** Calls under way. */
  readonly inFlight: number;
  /** When the caller last sent something or a call of it ended, ms since the epoch. */
  readonly activeAt: number;
  /**
   * The same caller has shown other rights, as with a newer token: the guard decides by these about later requests.
   * What is under way goes on by those that it began with.
   */
  present(principal: Principal): void;
  /** The same caller has another name now: the guard is asked by that name, also about what is under way. */
  rename(principal: Principal): void;
  /** The definition of a tool that the caller sees, as it is listed. */
  toolOf(name: string): JsonObject | undefined;
  /** Where a tool that the caller sees leads: its resource, and the peer that has it. */
  originOf(name: string): ToolOrigin | undefined;
  /** The caller has given up the request of `key`. */
  abandon(key: unknown, reason: string): void;
  /** Asks the guard again about every call under way; ends those that it now refuses. */
  recheck(): void;
  /** Calls `listener` once, when nothing is under way any more; at once when nothing is. */
  whenIdle(listener: () => void): void;
  /** The session is over: cancels its calls and closes its channels. A second call is a no-op. */
  end(): void;
}
