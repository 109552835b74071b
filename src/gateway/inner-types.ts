/** Callers inside of the node: agents that think with a model, and what they see of the tools that they may use. */
import type { JsonObject } from '../core/index.ts';
import type { PeerView } from '../membership/index.ts';

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
