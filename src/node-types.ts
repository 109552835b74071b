/** What the program that holds a node sees of it. */
import type { EventEmitter } from 'node:events';
import type { NodeAgentInit, RequestOptions } from './agents/index.ts';
import type { Board } from './blackboard/index.ts';
import type { GrantSummary, InviteResult, StatusResult } from './builtin/index.ts';
import type { Config } from './config/index.ts';
import type { Json, JsonObject, PeerId, Startable } from './core/index.ts';
import type { FunctionTool, OwnCallOptions } from './gateway/index.ts';
import type { ApprovalAccess } from './guard/index.ts';
import type { PeerView } from './membership/index.ts';
import type { NodeEvents } from './node-wiring.ts';
import type { TaskAgent, TaskOptions, TaskResult } from './tasks/index.ts';

/** To whom, which tools, and for how long. */
export interface GrantInit {
  /** Alias, PeerId or did:key. */
  readonly peer: string;
  /** Patterns like `files/*`. */
  readonly tools: readonly string[];
  /** Default: until revoked, renewed daily while the peer is there. */
  readonly expiresInMs?: number;
}

/** A node of the mesh. */
export interface StarlingNode extends Startable {
  readonly peerId: PeerId;
  readonly events: EventEmitter<NodeEvents>;
  /** True when this start founded the mesh: nobody else can be in it yet. */
  readonly hasFounded: boolean;
  /** True when this start was given a ticket of the mesh that the node is a member of already: it used none. */
  readonly hasIdleTicket: boolean;
  /** What waits for a person, for a dashboard: whoever holds the node answers as its operator. */
  readonly approvals: ApprovalAccess;
  status(): StatusResult;
  /** What of the status comes in from peers now: costs next to nothing, so that it can be looked at again and again. */
  coming(): Pick<StatusResult, 'boardsComing' | 'catalogsComing'>;
  peers(): readonly PeerView[];
  /** Opens a shared board. @throws STARLING_BOARD_INVALID */
  board(name: string): Promise<Board>;
  /** Lets a peer call tools of this node. @throws STARLING_PEER_UNKNOWN, STARLING_USAGE */
  grant(init: GrantInit): Promise<GrantSummary>;
  /**
   * Takes on what of a new configuration a running node can: its servers, lists and views. Sessions
   * stay. Resolves with the keys that differ and need a restart. `asked: false`: a file has changed, and
   * nobody said so; then a policy that a server could have written is not taken on.
   */
  reload(config: Config, init?: ReloadInit): Promise<readonly string[]>;
  /** True when a server could have written the config file, which must not be taken up then; raises a warning. */
  holdsBackConfig(): boolean;
  /** The changed configuration can't be taken up, because of `problem`: a lasting trouble until one is. */
  refuseConfig(problem: string): void;
  /** Logs an error that nobody foresaw and that the node goes on after, and shows it in `status` until a restart. */
  noteFault(error: unknown): void;
  /** Makes a ticket; default for one node and 24 hours. */
  createTicket(init?: TicketOptions): Promise<InviteResult>;
  /** Is an agent of this node, which must be started: `node.agent({ name: 'coder' }).onMessage('query', answer)`. */
  agent(init: NodeAgentInit): TaskAgent;
  /**
   * Offers a function as a tool `functions__<name>`, to clients of this node and to peers that are granted
   * `functions/<name>`; resolves once it is offered, with what takes it away. @throws STARLING_USAGE
   */
  tool(
    definition: Omit<FunctionTool, 'handler'>,
    handler: FunctionTool['handler'],
  ): Promise<() => void>;
  /**
   * Calls a tool, here or at a peer, by the name that lists show, as the operator of this node; gives the result of MCP.
   * @throws STARLING_TOOL_UNKNOWN, STARLING_CALL_REFUSED, …
   */
  call(name: string, args?: JsonObject, options?: OwnCallOptions): Promise<JsonObject>;
  /**
   * Has what is asked for done by an agent, here or at a peer, that can do it; gives its answer.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED with each candidate's refusal, …
   */
  request(capability: string, parameters: Json, init?: CapabilityOptions): Promise<Json>;
  /**
   * Has a task done, however long that takes and whoever dies meanwhile; gives its result. A node that is stopped goes on
   * with it when it is started again, and whoever gives the same `id` then has the same task.
   * @throws STARLING_AGENT_FAILED with how it ended, STARLING_LIMIT_EXCEEDED, …
   */
  task(capability: string, input: Json, options?: TaskOptions): Promise<Json>;
  /**
   * Has many tasks done, a thousand given in a message; gives what came of each in the order of the inputs, also where one
   * was not done. @throws STARLING_LIMIT_EXCEEDED, …
   */
  tasks(
    capability: string,
    inputs: readonly Json[],
    options?: TaskOptions,
  ): Promise<readonly TaskResult[]>;
}

/** How long a request may take, and whom it goes to. */
export interface CapabilityOptions extends RequestOptions {
  /** Default: 30 s. */
  readonly timeoutMs?: number;
}

/** Why a configuration is taken on. */
export interface ReloadInit {
  /** Default true: the operator wants it. */
  readonly asked?: boolean;
}

/** For how many nodes, and how long. */
export interface TicketOptions {
  /** Default: 24 hours. */
  readonly expiresInMs?: number;
  /** Nodes that it lets in; default 1, at most 100. */
  readonly uses?: number;
}
