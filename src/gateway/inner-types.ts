/**
 * Callers inside of the node: agents that think with a model, and what they see of the tools that they may use; and who
 * answers in place of clients that have no model.
 */
import type { JsonObject } from '../core/index.ts';
import type { Principal } from '../guard/index.ts';
import type { PeerView } from '../membership/index.ts';
import type { ServerTarget } from './channel-types.ts';

/** Where a tool leads that a caller sees. */
export interface ToolOrigin {
  /** As grants name it. */
  readonly resource: string;
  /** The peer that has it; undefined for this node. */
  readonly peer: PeerView | undefined;
}

/** Somebody who works inside of the node, and calls by the road of all callers. */
export interface InnerCaller {
  /**
   * Has a request answered; gives its result. `signal` gives the call up.
   * @throws what the tool's server, the guard or the road says
   */
  request(method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject>;
  /** Where a tool that it sees leads; undefined for one that it does not see. */
  originOf(name: string): ToolOrigin | undefined;
  /** Ends what is under way; later requests begin anew. */
  close(): void;
}

/** What a server asks for, during a call of somebody whose client has no model. */
export interface SampleRequest {
  readonly target: ServerTarget;
  /** Of `sampling/createMessage`, as the server sent them: nothing of them is checked. */
  readonly params: JsonObject;
  /** Length of the request as it came, bytes. */
  readonly sizeBytes: number;
  /** Who calls: whose right to a model, and whose budget, it is. */
  readonly principal: Principal;
  /** What is called, as grants name it. */
  readonly resource: string;
  /** Aborted when the call is over. */
  readonly signal: AbortSignal;
}

/** Answers in place of clients that have no model, by a model of this node's choice. */
export interface SamplingFace {
  /** True where the operator lets servers of that name ask. */
  isAllowed(target: ServerTarget): boolean;
  /** The result of `sampling/createMessage`. @throws why there is none */
  answer(asked: SampleRequest): Promise<JsonObject>;
}
