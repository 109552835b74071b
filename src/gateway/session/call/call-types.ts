/** What a call is made with, and who hears what becomes of it. */
import type { Clock, Logger } from '../../../core/index.ts';
import type { Principal } from '../../../guard/index.ts';
import type { CallTasks } from '../../call-tasks/types.ts';
import type { Clearance } from '../../clearance/clearance.ts';
import type { RequestFrame } from '../../frame-types.ts';
import type { Era } from '../../wire/era.ts';
import type { Reply } from '../../wire/reply.ts';
import type { CallMeter } from './call-meter.ts';
import type { CallTracer } from './call-span.ts';
import type { ChannelTable } from '../channel-table.ts';
import type { NodeSampling } from '../node-sampling.ts';
import type { Subscriber } from '../subscribe.ts';
import type { Subscriptions } from '../subscriptions.ts';

/** What the calls of one session work with. */
export interface CallComponents {
  readonly clearance: Clearance;
  readonly channels: ChannelTable;
  readonly subscriptions: Subscriptions;
  readonly subscriber: Pick<Subscriber, 'unsubscribe'>;
  readonly sampling: NodeSampling;
  readonly callTasks: CallTasks;
  readonly meter?: CallMeter;
  readonly tracer?: CallTracer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What all calls of one session have in common. */
export interface CallInit {
  /** The session's name for approvals. */
  readonly id: string;
  /** This node's name, for messages. */
  readonly self: string;
}

/** One request that is to begin. */
export interface CallRequest {
  readonly request: RequestFrame;
  readonly reply: Reply;
  readonly era: Era;
  /** By whose rights the guard decides: those that came with the request. */
  readonly principal: Principal;
}

/** Hears what becomes of a call. */
export interface CallHearer {
  /** It is over; heard once, before its caller hears. */
  ended(): void;
  /** Its caller gets a task, and what comes of it is the task's. */
  becameTask(): void;
}
