/**
 * Calls that are tasks to their callers (MCP tasks, SEP-2663 and 2025-11-25): a call that takes long and that this node
 * goes on with while its caller is away, and a task that a server has made of a call.
 */
import type { Json, JsonObject, PeerId, StarlingError } from '../../core/index.ts';
import type { GuardWanted } from '../../guard/types.ts';
import type { ServerTarget } from '../channel-types.ts';
import type { Era } from '../wire/era.ts';

/** Where a task is in its life, in the words of MCP. */
export type CallTaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

/** Whose a call is, and what it is of. */
export interface CallTaskInit {
  /** The caller by all links of its chain (`chainOf`): nobody else finds the task. */
  readonly owner: string;
  /** What the guard was asked about the call: asked again before anything of the task is shown. */
  readonly wanted: GuardWanted;
}

/** A task as it is kept. */
export interface CallTaskRow extends CallTaskInit {
  readonly id: string;
  /** Milliseconds since the epoch, as the others. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** It is forgotten then. */
  readonly expiresAt: number;
  readonly status: CallTaskStatus;
  readonly statusMessage?: string;
  /** Of a task of a server: what the server calls it, and whose server that is. */
  readonly theirs?: string;
  readonly server?: string;
  readonly peer?: PeerId;
  /** The era in which the server speaks of it. */
  readonly era?: Era;
  /** As its server said, ms. */
  readonly pollMs?: number;
  /** The bytes of what came of it, beside the row. */
  readonly bytes?: number;
}

/** The call of a task of this node, while it is under way. */
export interface OpenCall {
  /** Asks the guard again; ends the call when it refuses. */
  recheck(): void;
  /** Answers what the server has asked. */
  answer(responses: JsonObject): void;
  /** The caller wants it no more. */
  cancel(): void;
  /** The node stops. */
  drop(error: StarlingError): void;
}

/** A task as a session finds it. */
export interface CallTask {
  readonly row: CallTaskRow;
  /** True for a call that this node goes on with, false for a task that a server has made of one. */
  readonly isOwn: boolean;
  /** Where a task of a server is asked for. @throws STARLING_PEER_UNKNOWN where its peer is no member any more */
  target(): ServerTarget;
  /** The task as `tasks/get` shows it, as the text of a JSON object: results keep their bytes. */
  shown(): Promise<string>;
  /** Answers what is asked; what is not asked any more is acknowledged all the same. */
  answer(responses: JsonObject): void;
  /** Ends it; what has ended is acknowledged all the same. */
  cancel(): void;
  /** Its server said so of it. */
  heard(task: JsonObject): void;
  /** Calls `changed` at each change; gives back what ends that. */
  watch(changed: () => void): () => void;
}

/** A call that this node goes on with as a task, as the call itself sees that. */
export interface OpenTask extends CallTask {
  /** What whoever made the call gets in place of its result. */
  readonly created: JsonObject;
  /** How far the server says that it is. */
  progressed(message: string): void;
  /** The server asks something before it goes on. */
  asks(inputRequests: JsonObject): void;
  /** What the call came to: the text of its result, or its error. */
  ended(end: { readonly result: string } | { readonly error: Json }): void;
  /** The call was given up. */
  cancelled(): void;
  /** The call had its answer before anybody heard of the task. */
  forget(): void;
  /** The server has made a task of the call after all. */
  carried(carried: CarriedTask): void;
}

/** A task that a server has made of a call. */
export interface CarriedTask {
  readonly target: ServerTarget;
  /** What the server calls it. */
  readonly theirs: string;
  /** As the server has shown it. */
  readonly task: JsonObject;
  readonly era: Era;
}

/** The calls of a node that are tasks. */
export interface CallTasks {
  /** Reads what there was, before anybody comes in. @throws STARLING_STATE_UNUSABLE */
  load(): Promise<void>;
  /**
   * The call is a task from now on: on the disk when this resolves. Undefined where there is no room for it.
   * @throws STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE as the store does
   */
  open(init: CallTaskInit, call: OpenCall): Promise<OpenTask | undefined>;
  /**
   * Keeps that a server has made a task of a call, and gives the id by which the caller knows it.
   * @throws STARLING_LIMIT_EXCEEDED where the caller has too many, STARLING_STATE_UNUSABLE
   */
  carry(init: CallTaskInit, carried: CarriedTask): Promise<CallTask>;
  /** The task of this id, where it is the owner's. */
  find(id: unknown, owner: string): CallTask | undefined;
  /** The task that a server knows by this id. */
  named(target: ServerTarget, theirs: string, owner: string): CallTask | undefined;
  /** The tasks of the owner that servers have made, the newest first. */
  carriedOf(owner: string): readonly CallTask[];
  /** Whoever called by this link of a chain has given its name up: its tasks are nobody's, and no successor's. */
  forgetAllOf(link: string): void;
  /** Asks again about every call that is under way. */
  recheck(): void;
  /** Ends what is under way; it is failed after the next start. */
  stop(): void;
}
